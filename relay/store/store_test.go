//go:build !notelemetry

package store_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gotoolbase/telemetry/relay/internal/pgtest"
	"github.com/gotoolbase/telemetry/relay/store"
)

var schema = store.Schema{Name: "test", Steps: []string{
	`CREATE TABLE things (n SERIAL, name TEXT NOT NULL UNIQUE, content BLOB, amount BIGINT NOT NULL)`,
}}

// eachEngine runs a test on both.
func eachEngine(t *testing.T, f func(t *testing.T, url string)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "relay.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, pgtest.Start(t).Database())
	})
}

func open(t *testing.T, url string, schemas ...store.Schema) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func add(ctx context.Context, db *store.DB, name string) error {
	return db.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO things (name, content, amount) VALUES (?, ?, ?)`, name, []byte(name), 1)
		return err
	})
}

func mustAdd(t *testing.T, db *store.DB, name string) {
	t.Helper()
	if err := add(t.Context(), db, name); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, db *store.DB) (list []string) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		list = nil
		return tx.Query(t.Context(), func(scan func(...any) error) error {
			var name string
			var content []byte
			err := scan(&name, &content)
			if string(content) != name {
				t.Errorf("%q holds %q", name, content)
			}
			list = append(list, name)
			return err
		}, `SELECT name, content FROM things WHERE amount > ? ORDER BY n`, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func wantNames(t *testing.T, db *store.DB, want string) {
	t.Helper()
	if got := strings.Join(names(t, db), " "); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

func TestWhatIsWrittenIsThereWhenItIsOpenedAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url, schema)
		if err != nil {
			t.Fatal(err)
		}
		mustAdd(t, db, "a")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, url, schema)
		mustAdd(t, db, "b")
		wantNames(t, db, "a b")
		if err := db.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := open(t, url, schema)
		own := errors.New("the caller's own")
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO things (name, amount) VALUES (?, 1)`, "lost"); err != nil {
				return err
			}
			return own
		})
		if !errors.Is(err, own) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v, want the caller's own error alone", err)
		}
		mustAdd(t, db, "kept")
		if err := add(t.Context(), db, "kept"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a name that is there: got %v, want ErrUnavailable", err)
		}
		wantNames(t, db, "kept")
	})
}

func TestALaterVersionsTablesAreLeftAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		later := store.Schema{Name: "test", Steps: append([]string{schema.Steps[0]}, `ALTER TABLE things ADD COLUMN more TEXT`)}
		db := open(t, url, schema, store.Schema{Name: "other"})
		mustAdd(t, db, "a")
		open(t, url, later)
		if _, err := store.Open(t.Context(), url, schema); !errors.Is(err, store.ErrNewer) {
			t.Errorf("got %v, want ErrNewer", err)
		}
		wantNames(t, db, "a")
	})
}

func TestProcessesThatStartAtOnceMakeTheTablesOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				db, err := store.Open(t.Context(), url, schema)
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
	})
}

// Each reads, and writes what it has read and one more: without turns some would be lost.
func TestTransactionsThatAreInEachOthersWayAreRunAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := open(t, url, schema)
		mustAdd(t, db, "counter")
		var wait sync.WaitGroup
		for range 6 {
			wait.Go(func() {
				for range 10 {
					err := db.Write(t.Context(), func(tx *store.Tx) error {
						if db.Engine() == "postgres" {
							if _, err := tx.Exec(t.Context(), `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`); err != nil {
								return err
							}
						}
						var n int64
						if _, err := tx.One(t.Context(), []any{&n}, `SELECT amount FROM things WHERE name = ?`, "counter"); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), `UPDATE things SET amount = ? WHERE name = ?`, n+1, "counter")
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			var n int64
			_, err := tx.One(t.Context(), []any{&n}, `SELECT amount FROM things WHERE name = ?`, "counter")
			if n != 61 {
				t.Errorf("counted to %d, want 61", n)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestRowsAreClaimedByOneOnly(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(), schema)
	mustAdd(t, db, "a")
	mustAdd(t, db, "b")
	claim := func(tx *store.Tx) (name string, err error) {
		_, err = tx.One(t.Context(), []any{&name}, `SELECT name FROM things ORDER BY n LIMIT 1`+tx.SkipLocked())
		return name, err
	}
	err := db.Write(t.Context(), func(first *store.Tx) error {
		one, err := claim(first)
		if err != nil {
			return err
		}
		return db.Write(t.Context(), func(second *store.Tx) error {
			other, err := claim(second)
			if one != "a" || other != "b" {
				t.Errorf("claimed %q and %q at the same time, want a and b", one, other)
			}
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAnAddressThatIsNoneIsSaidWithoutItsPassword(t *testing.T) {
	t.Parallel()
	const canary = "hunter2canary"
	for url, want := range map[string]error{
		"":                                      store.ErrURL,
		"mysql://u@h/db":                        store.ErrURL,
		"sqlite:":                               store.ErrURL,
		"/var/lib/telemetry.db":                 store.ErrURL,
		"postgres://u:" + canary + "@h:port/db": store.ErrURL,
		"postgres://u:" + canary + "@127.0.0.1:1/db?sslmode=disable":      store.ErrUnavailable,
		"postgres://u:" + canary + "@/db?host=/nonexistent":               store.ErrUnavailable,
		"postgres://u:" + canary + "@127.0.0.1:1/db?sslmode=verify-full":  store.ErrUnavailable,
		"postgres://127.0.0.1:1/db?sslmode=disable&password=" + canary:    store.ErrUnavailable,
		"postgres://u:" + canary + "@127.0.0.1:1/db?sslmode=" + canary:    store.ErrURL,
		"postgres://u:" + canary + "@name.invalid/db?connect_timeout=1":   store.ErrUnavailable,
		"postgres://u:" + canary + "%zz@127.0.0.1:1/db?sslmode=disable":   store.ErrURL,
		"postgresql://u:" + canary + "@127.0.0.1:1/db?target_session=any": store.ErrUnavailable,
	} {
		_, err := store.Open(t.Context(), url)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", strings.ReplaceAll(url, canary, "…"), err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}

func TestADatabaseThatOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]error{
		0o700: nil, 0o755: store.ErrUnsafe, 0o707: store.ErrUnsafe, 0o701: store.ErrUnsafe,
		// A group of the process's own, as Kubernetes sets it for what it mounts.
		0o770 | os.ModeSetgid: nil, 0o750: nil,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "relay.db"), schema)
		if !errors.Is(err, want) {
			t.Errorf("mode %v: got %v, want %v", mode, err, want)
		}
		if err == nil {
			db.Close()
		}
	}
	info, err := os.Stat(filepath.Join(dir, "relay.db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestAFileThatIsReplacedIsNoticed(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(file string) error{
		"removed":                 os.Remove,
		"its journal was removed": func(file string) error { return os.Remove(file + "-wal") },
		"its index was removed":   func(file string) error { return os.Remove(file + "-shm") },
		"moved":                   func(file string) error { return os.Rename(file, file+".old") },
		"replaced by a backup": func(file string) error {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(file+".new", content, 0o600); err != nil {
				return err
			}
			return os.Rename(file+".new", file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "data", "relay.db")
			db := open(t, "sqlite:"+file, schema)
			mustAdd(t, db, "a")
			if err := replace(file); err != nil {
				t.Fatal(err)
			}
			if err := add(t.Context(), db, "b"); !errors.Is(err, store.ErrReplaced) || !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("writing: got %v, want ErrReplaced", err)
			}
			if err := db.Read(t.Context(), func(*store.Tx) error { return nil }); !errors.Is(err, store.ErrReplaced) {
				t.Errorf("reading: got %v, want ErrReplaced", err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, store.ErrReplaced) {
				t.Errorf("asking: got %v, want ErrReplaced", err)
			}
		})
	}
}

func TestADatabaseThatWasAwayIsUsedAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*pgtest.Server){"stopped": (*pgtest.Server).Stop, "killed": (*pgtest.Server).Kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Start(t)
			db := open(t, server.Database(), schema)
			mustAdd(t, db, "before")
			end(server)
			if err := add(t.Context(), db, "away"); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			server.Start()
			mustAdd(t, db, "after")
			wantNames(t, db, "before after")
		})
	}
}

// The server is killed while it makes a commit durable, so what the transaction came to is
// not known here.
func TestACommitWithoutAnAnswerIsNotCalledAFailure(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	db := open(t, server.Database(), schema, store.Schema{Name: "slow", Steps: []string{
		`CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly()`,
	}})
	inserted := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO things (name, amount) VALUES ('slow', 1)`)
			close(inserted)
			return err
		})
	}()
	<-inserted
	for committing := false; !committing; { // until the server is at the commit
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			_, err := tx.One(t.Context(), []any{&committing}, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep')`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	server.Kill()
	if err := <-result; !errors.Is(err, store.ErrUnknown) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

func TestACommitThatTheServerRefusesIsAFailure(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.Start(t).Database(), store.Schema{Name: "test", Steps: []string{
		`CREATE TABLE things (name TEXT UNIQUE DEFERRABLE INITIALLY DEFERRED)`,
	}})
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO things VALUES ('a'), ('a')`)
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("got %v, want ErrUnavailable that is not ErrUnknown", err)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		db := open(t, url, schema)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := add(ctx, db, "a"); err == nil {
			t.Error("a transaction was made for nobody")
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := add(ctx, db, "b"); err != nil {
			t.Error(err)
		}
	})
}

// fullDisk is a file system of a megabyte, or the test is skipped: only root may make one.
func fullDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be made here, so a full disk is not tested: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

func TestAFullDiskTakesNothingByHalvesAndIsUsedAgain(t *testing.T) {
	t.Parallel()
	dir := fullDisk(t)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "relay.db"), schema)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mustAdd(t, db, "before")
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	f.Close()
	big := strings.Repeat("x", 64<<10)
	for range 3 {
		if err := add(t.Context(), db, big); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("on a full disk: got %v, want ErrUnavailable", err)
		}
	}
	wantNames(t, db, "before")
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("asking: got %v, want ErrUnavailable", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil { // though nobody has written since
		t.Errorf("asking: %v", err)
	}
	mustAdd(t, db, "after")
	wantNames(t, db, "before after")
}

// As when somebody dropped the database and made an empty one of that name.
func TestADatabaseWithoutItsTablesIsNotThere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "db", "relay.db")
	db := open(t, "sqlite:"+file, schema)
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `DROP TABLE schemas`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
