package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A binary for another machine is packed for that machine, and not for the one that packs it: nodes with Kunpeng processors are arm64.
func TestABinaryIsPackedForItsOwnMachine(t *testing.T) {
	if _, err := exec.LookPath("readelf"); err != nil {
		t.Skip("readelf is not on PATH")
	}
	for machine, number := range map[string]byte{"amd64": 62, "arm64": 183, "riscv64": 243} {
		target := t.TempDir()
		binary := filepath.Join(target, "binary")
		// The header of an ELF file of 64 bits, and nothing else: what it is for is all that counts here.
		header := make([]byte, 64)
		copy(header, "\x7fELF\x02\x01\x01")
		header[16], header[18], header[20], header[52] = 2, number, 1, 64
		if err := os.WriteFile(binary, header, 0o700); err != nil {
			t.Fatal(err)
		}
		pack := exec.Command(path("hack/image.sh"), "--context")
		pack.Env = append(os.Environ(), "CBW_BINARY="+binary, "CARGO_TARGET_DIR="+target)
		output, err := pack.CombinedOutput()
		if machine == "riscv64" {
			if err == nil || !strings.Contains(string(output), "images are made for amd64 and arm64") {
				t.Errorf("%s: %v: %s", machine, err, output)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v: %s", machine, err, output)
		}
		packed, err := filepath.Glob(filepath.Join(target, "image/context/*/cce-backup-watch"))
		if err != nil || len(packed) != 1 || filepath.Base(filepath.Dir(packed[0])) != machine {
			t.Errorf("%s is packed as %v", machine, packed)
		}
	}
}
