// Command schemas makes JSON schemas for kubeconform of what an API server publishes:
//
//	kubectl get --raw /openapi/v2 | schemas DIRECTORY
//
// The files are named for kubeconform's template '{{.ResourceKind}}{{.KindSuffix}}.json'. They are as strict as the server
// with --validate=strict: a field that the server does not know is an error. Schemas from the Internet would be of some other
// version, and need the Internet.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemas DIRECTORY <openapi-v2.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(directory string) error {
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&document); err != nil {
		return err
	}
	for name, definition := range document.Definitions {
		forbidUnknown(definition)
		if strings.HasSuffix(name, ".util.intstr.IntOrString") {
			// OpenAPI v2 knows no alternatives and calls this a string.
			delete(definition, "type")
			delete(definition, "format")
			definition["type"] = []string{"integer", "string"}
		}
		if strings.HasSuffix(name, ".api.resource.Quantity") {
			definition["type"] = []string{"number", "string"}
		}
	}
	written := 0
	for name, definition := range document.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, item := range kinds {
			kind := item.(map[string]any)
			group, _, _ := strings.Cut(kind["group"].(string), ".")
			parts := []string{kind["kind"].(string)}
			if group != "" {
				parts = append(parts, group)
			}
			parts = append(parts, kind["version"].(string))
			file := strings.ToLower(strings.Join(parts, "-")) + ".json"
			used := map[string]any{}
			collect(definition, document.Definitions, used)
			schema := map[string]any{"$ref": "#/definitions/" + name, "definitions": used}
			used[name] = definition
			text, err := json.Marshal(schema)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(directory, file), text, 0o644); err != nil {
				return err
			}
			written++
		}
	}
	if written == 0 {
		return fmt.Errorf("no kinds in the document")
	}
	return nil
}

// forbidUnknown forbids the fields that an object does not name, at every depth, except where the server takes any.
func forbidUnknown(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		_, named := schema["properties"]
		_, open := schema["additionalProperties"]
		preserve, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool)
		if named && !open && !preserve {
			schema["additionalProperties"] = false
		}
		for _, inner := range schema {
			forbidUnknown(inner)
		}
	case []any:
		for _, inner := range schema {
			forbidUnknown(inner)
		}
	}
}

// collect adds the definitions that a schema refers to.
func collect(schema any, all map[string]map[string]any, used map[string]any) {
	switch schema := schema.(type) {
	case map[string]any:
		if reference, isText := schema["$ref"].(string); isText {
			name := strings.TrimPrefix(reference, "#/definitions/")
			if _, found := used[name]; !found {
				used[name] = all[name]
				collect(all[name], all, used)
			}
		}
		for _, inner := range schema {
			collect(inner, all, used)
		}
	case []any:
		for _, inner := range schema {
			collect(inner, all, used)
		}
	}
}
