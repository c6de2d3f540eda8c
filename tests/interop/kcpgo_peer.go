// The protocol of tcp_peer.py over kcp-go, without its encryption.
//
// usage: kcpgo_peer [-stream] [-fec] server ADDRESS:PORT
//
//	kcpgo_peer [-stream] [-fec] client ADDRESS:PORT MODE SIZE...
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xtaci/kcp-go"
)

const (
	requestLen = 32
	chunkLen   = 60000
	window     = 512
)

var (
	stream = flag.Bool("stream", false, "stream mode instead of message mode")
	fec    = flag.Bool("fec", false, "erasure groups of 10 and 3")
)

func shards() (int, int) {
	if *fec {
		return 10, 3
	}
	return 0, 0
}

func tune(session *kcp.UDPSession) {
	session.SetNoDelay(1, 10, 2, 1)
	session.SetWindowSize(window, window)
	session.SetStreamMode(*stream)
	session.SetReadBuffer(4 << 20)
	session.SetWriteBuffer(4 << 20)
}

// sendRandom sends size random bytes and returns their SHA-256.
func sendRandom(w io.Writer, size int64) ([]byte, error) {
	sum := sha256.New()
	chunk := make([]byte, chunkLen)
	for size > 0 {
		if int64(len(chunk)) > size {
			chunk = chunk[:size]
		}
		if _, err := rand.Read(chunk); err != nil {
			return nil, err
		}
		sum.Write(chunk)
		if _, err := w.Write(chunk); err != nil {
			return nil, err
		}
		size -= int64(len(chunk))
	}
	return sum.Sum(nil), nil
}

func receive(r io.Reader, size int64, sum hash.Hash) error {
	_, err := io.CopyN(sum, r, size)
	return err
}

// inBackground runs f and gives its result to the function that is returned.
func inBackground(f func() ([]byte, error)) func() ([]byte, error) {
	type result struct {
		sum []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		sum, err := f()
		done <- result{sum, err}
	}()
	return func() ([]byte, error) {
		r := <-done
		return r.sum, r.err
	}
}

func echo(conn net.Conn, size int64) error {
	buffer := make([]byte, chunkLen)
	for size > 0 {
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func answer(conn net.Conn, mode string, size int64) error {
	var sending func() ([]byte, error)
	received := sha256.New()
	if mode == "echo" {
		return echo(conn, size)
	}
	if mode != "put" {
		sending = inBackground(func() ([]byte, error) { return sendRandom(conn, size) })
	}
	if mode != "get" {
		if err := receive(conn, size, received); err != nil {
			return err
		}
	}
	if sending != nil {
		sum, err := sending()
		if err != nil {
			return err
		}
		if _, err = conn.Write(sum); err != nil {
			return err
		}
	}
	if mode == "get" {
		return nil
	}
	_, err := conn.Write(received.Sum(nil))
	return err
}

func serve(conn *kcp.UDPSession) (said string, err error) {
	defer conn.Close()
	tune(conn)
	conn.SetDeadline(time.Now().Add(10 * time.Minute))
	request := make([]byte, requestLen)
	if _, err = io.ReadFull(conn, request); err != nil {
		return "nothing", err
	}
	words := strings.Fields(string(request))
	if len(words) != 2 {
		return "nothing", errors.New("no request")
	}
	said = strings.Join(words, " ")
	size, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return said, err
	}
	if err = answer(conn, words[0], size); err != nil {
		return said, err
	}
	satisfied := make([]byte, 1)
	if _, err = io.ReadFull(conn, satisfied); err == nil && satisfied[0] != 'K' {
		err = errors.New("the client is not satisfied")
	}
	return said, err
}

func runServer(address string) error {
	data, parity := shards()
	listener, err := kcp.ListenWithOptions(address, nil, data, parity)
	if err != nil {
		return err
	}
	listener.SetReadBuffer(4 << 20)
	listener.SetWriteBuffer(4 << 20)
	for {
		conn, err := listener.AcceptKCP()
		if err != nil {
			return err
		}
		go func() {
			said, err := serve(conn)
			if err != nil {
				fmt.Println("served", said, err)
			} else {
				fmt.Println("served", said, "ok")
			}
		}()
	}
}

func equal(what string, have, want []byte) error {
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%s: %x instead of %x", what, have, want)
	}
	return nil
}

func ask(address, mode string, size int64) (sums string, err error) {
	data, parity := shards()
	conn, err := kcp.DialWithOptions(address, nil, data, parity)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	tune(conn)
	request := fmt.Sprintf("%-*s", requestLen, fmt.Sprintf("%s %d", mode, size))
	if _, err = conn.Write([]byte(request)); err != nil {
		return "", err
	}
	var sending func() ([]byte, error)
	if mode != "get" {
		sending = inBackground(func() ([]byte, error) { return sendRandom(conn, size) })
	}
	received := sha256.New()
	if mode != "put" {
		if err = receive(conn, size, received); err != nil {
			return "", err
		}
	}
	digest := make([]byte, sha256.Size)
	if mode == "get" || mode == "both" {
		if _, err = io.ReadFull(conn, digest); err != nil {
			return "", err
		}
		if err = equal("received", received.Sum(nil), digest); err != nil {
			return "", err
		}
		sums = fmt.Sprintf(" %.8x", digest)
	}
	if sending != nil {
		sent, err := sending()
		if err != nil {
			return "", err
		}
		digest = received.Sum(digest[:0])
		if mode != "echo" {
			if _, err = io.ReadFull(conn, digest); err != nil {
				return "", err
			}
		}
		if err = equal("sent", digest, sent); err != nil {
			return "", err
		}
		sums += fmt.Sprintf(" %.8x", digest)
	}
	_, err = conn.Write([]byte{'K'})
	// Close() does not wait for it to arrive
	time.Sleep(100 * time.Millisecond)
	return sums, err
}

func runClient(address, mode string, sizes []string) error {
	for _, text := range sizes {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		begin := time.Now()
		sums, err := ask(address, mode, size)
		if err != nil {
			return fmt.Errorf("%s %d: %v", mode, size, err)
		}
		fmt.Printf("%s %d %.2f%s\n", mode, size, time.Since(begin).Seconds(), sums)
	}
	return nil
}

func main() {
	log.SetFlags(0)
	flag.Parse()
	words := flag.Args()
	var err error
	switch {
	case len(words) == 2 && words[0] == "server":
		err = runServer(words[1])
	case len(words) > 3 && words[0] == "client":
		err = runClient(words[1], words[2], words[3:])
	default:
		fmt.Fprintln(os.Stderr, "usage: kcpgo_peer [-stream] [-fec] server ADDRESS:PORT | client ADDRESS:PORT MODE SIZE...")
		os.Exit(2)
	}
	if err != nil {
		log.Fatal(err)
	}
}
