// Writes what golang.org/x/mod/sumdb/note and sumdb/tlog make of fixed keys, texts and entries.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type hashes map[int64]tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func texts(p []tlog.Hash) []string {
	out := []string{}
	for _, h := range p {
		out = append(out, h.String())
	}
	return out
}

func main() {
	const name = "ledger.example/seal"
	seed := bytes.Repeat([]byte{7}, 32)
	private := ed25519.NewKeyFromSeed(seed)
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	must(err)
	verifier, err := note.NewVerifier(vkey)
	must(err)
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, verifier.KeyHash(),
		base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	signer, err := note.NewSigner(skey)
	must(err)
	out := map[string]any{"public_key": vkey, "private_key": skey}

	store := hashes{}
	var trees []any
	sizes := map[int64]bool{1: true, 2: true, 3: true, 7: true, 256: true, 300: true}
	var earlier int64
	for i := int64(0); i < 300; i++ {
		added, err := tlog.StoredHashes(i, []byte(fmt.Sprintf("entry %d", i)), store)
		must(err)
		at := tlog.StoredHashIndex(0, i)
		for j, h := range added {
			store[at+int64(j)] = h
		}
		size := i + 1
		if !sizes[size] {
			continue
		}
		root, err := tlog.TreeHash(size, store)
		must(err)
		record, err := tlog.ProveRecord(size, size/2, store)
		must(err)
		tree := map[string]any{"size": size, "root": root.String(), "index": size / 2, "inclusion": texts(record)}
		if earlier > 0 {
			proof, err := tlog.ProveTree(size, earlier, store)
			must(err)
			tree["old"] = earlier
			tree["consistency"] = texts(proof)
		}
		earlier = size
		text := fmt.Sprintf("%s\n%d\n%s\n", name, size, root.String())
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		must(err)
		tree["checkpoint"] = string(signed)
		tiles := map[string]string{}
		for _, tile := range tlog.NewTiles(8, 0, size) {
			data, err := tlog.ReadTileData(tile, store)
			must(err)
			// The paths of C2SP have no height: tile/8/0/000 is tile/0/000.
			tiles["tile/"+tile.Path()[len("tile/8/"):]] = sha(data)
		}
		tree["tile_sha256"] = tiles
		trees = append(trees, tree)
	}
	out["trees"] = trees
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", " ")
	must(e.Encode(out))
}
