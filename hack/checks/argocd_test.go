package checks

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// run runs a script as Argo CD does: with the same interpreter, few libraries, and the resource in obj. It returns the table that the script
// returns.
func run(t *testing.T, script string, resource map[string]any) *lua.LTable {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	t.Cleanup(state.Close)
	// Argo CD opens these, and of the library os it has a few functions.
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		state.Call(1, 0)
	}
	state.PreloadModule(lua.OsLibName, func(state *lua.LState) int {
		state.Push(state.SetFuncs(state.NewTable(), map[string]lua.LGFunction{"date": func(state *lua.LState) int {
			if format := state.CheckString(1); format != "!%Y-%m-%dT%H:%M:%SZ" {
				t.Errorf("os.date(%q)", format)
			}
			state.Push(lua.LString("2026-01-02T03:04:05Z"))
			return 1
		}}))
		return 1
	})
	state.SetGlobal("obj", toLua(state, resource))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	result, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("the script returns %v, a table is wanted", state.Get(-1))
	}
	return result
}

// health runs the script of the health.
func health(t *testing.T, script string, resource map[string]any) (status, message string) {
	t.Helper()
	result := run(t, script, resource)
	if text, isText := result.RawGetString("message").(lua.LString); !isText || text == "" {
		t.Error("the script returns no message")
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range value {
			table.RawSetString(key, toLua(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	default:
		return lua.LNil
	}
}

type actions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string
		Action string `json:"action.lua"`
	}
}

func TestArgoCDOffersTheActionsThatApply(t *testing.T) {
	var actions actions
	readYAML(t, &actions, "docs/argocd/actions.yaml")
	for _, suspended := range []any{nil, false, true} {
		offered := run(t, actions.Discovery, map[string]any{"spec": map[string]any{"suspend": suspended}})
		count := 0
		offered.ForEach(func(lua.LValue, lua.LValue) { count++ })
		if count != len(actions.Definitions) {
			t.Errorf("%d actions are offered, and %d are defined", count, len(actions.Definitions))
		}
		for _, action := range actions.Definitions {
			entry, isTable := offered.RawGetString(action.Name).(*lua.LTable)
			if !isTable {
				t.Errorf("%s is defined and never offered", action.Name)
				continue
			}
			disabled := entry.RawGetString("disabled") == lua.LTrue
			if wanted := (suspended == true) != (action.Name == "resume"); disabled != wanted {
				t.Errorf("suspend %v: disabled is %v for %s", suspended, disabled, action.Name)
			}
		}
	}
}

func TestArgoCDsActionsDoWhatTheirNamesSay(t *testing.T) {
	var actions actions
	readYAML(t, &actions, "docs/argocd/actions.yaml")
	after := func(name string, annotations any) *lua.LTable {
		for _, action := range actions.Definitions {
			if action.Name == name {
				return run(t, action.Action, map[string]any{
					"metadata": map[string]any{"resourceVersion": "7", "annotations": annotations},
					"spec":     map[string]any{"region": "cn-north-4"},
				})
			}
		}
		t.Fatalf("there is no action %s", name)
		return nil
	}
	spec := func(resource *lua.LTable) *lua.LTable { return resource.RawGetString("spec").(*lua.LTable) }
	for name, wanted := range map[string]lua.LBool{"suspend": true, "resume": false} {
		if got := spec(after(name, nil)).RawGetString("suspend"); got != wanted {
			t.Errorf("after %s, suspend is %v", name, got)
		}
	}
	for _, annotations := range []any{nil, map[string]any{"kept": "yes"}} {
		polled := after("poll-now", annotations)
		if spec(polled).RawGetString("region") != lua.LString("cn-north-4") {
			t.Error("poll-now changes the spec")
		}
		got := polled.RawGetString("metadata").(*lua.LTable).RawGetString("annotations").(*lua.LTable)
		if value := got.RawGetString("cce.backupwatch.io/requestedAt"); value != lua.LString("2026-01-02T03:04:05Z-7") {
			t.Errorf("poll-now requests a poll with %v", value)
		}
		if annotations != nil && got.RawGetString("kept") != lua.LString("yes") {
			t.Error("poll-now removes annotations of others")
		}
	}
}

// scripts returns the script as it is shipped, and with its switch turned.
func scripts(t *testing.T) (shipped, strict string) {
	t.Helper()
	shipped = read(t, "docs/argocd/health.lua")
	strict = strings.Replace(shipped, "bad_backup_is_degraded = false", "bad_backup_is_degraded = true", 1)
	if strict == shipped {
		t.Fatal("docs/argocd/health.lua has no switch bad_backup_is_degraded")
	}
	return shipped, strict
}

func TestArgoCDReadsEachVerdict(t *testing.T) {
	shipped, strict := scripts(t)
	for _, verdict := range verdicts(t) {
		t.Run(verdict.situation, func(t *testing.T) {
			if status, _ := health(t, shipped, verdict.resource.Object); status != verdict.argocd {
				t.Errorf("the script says %s, %s is wanted", status, verdict.argocd)
			}
			if status, _ := health(t, strict, verdict.resource.Object); status != verdict.argocdStrict {
				t.Errorf("with bad_backup_is_degraded the script says %s, %s is wanted", status, verdict.argocdStrict)
			}
		})
	}
}

func TestArgoCDTellsWhatIsWrongWithABackupThatDoesNotCount(t *testing.T) {
	shipped, _ := scripts(t)
	bad, err := resource("Ready=True/Polled BackupHealthy=False/BackupFailed")
	if err != nil {
		t.Fatal(err)
	}
	if _, message := health(t, shipped, bad.Object); message != "BackupFailed: as the operator says" {
		t.Errorf("the message is %q", message)
	}
}

func TestArgoCDCopesWithConditionsThatAreNotThere(t *testing.T) {
	shipped, _ := scripts(t)
	for text, wanted := range map[string]string{
		"generation=1/1":    "Progressing",
		"Foreign=True/Yes":  "Progressing",
		"Ready=True/Polled": "Healthy",
	} {
		object, err := resource(text)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := health(t, shipped, object.Object); status != wanted {
			t.Errorf("%s: the script says %s, %s is wanted", text, status, wanted)
		}
	}
}
