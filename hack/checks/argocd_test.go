package checks

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// health runs the script as Argo CD does: with the same interpreter, few libraries, and the resource in obj.
func health(t *testing.T, script string, resource map[string]any) (status, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	// Argo CD opens these and no other.
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString, lua.MathLibName: lua.OpenMath,
	} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", toLua(state, resource))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	result, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("the script returns %v, a table is wanted", state.Get(-1))
	}
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
	case int64:
		return lua.LNumber(value)
	default:
		return lua.LNil
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
