// SPDX-License-Identifier: BSD-2-Clause

// load asks one URL again and again until its time is over or it is ended: a server under load
// collects. With -put it writes into an etcd through its JSON gateway instead.
//
//	load [-seconds S] [-connections N] URL
//	load -put BYTES URL
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"math/rand"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const startUp = 30 * time.Second

var answers int64

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

// The gateway wants keys and values in base64. A hundred keys: the store changes but stays small.
func putBody(size int) io.Reader {
	value := make([]byte, size)
	rand.Read(value)
	body, err := json.Marshal(map[string]string{
		"key":   base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("key%d", rand.Intn(100)))),
		"value": base64.StdEncoding.EncodeToString(value),
	})
	if err != nil {
		fail(err)
	}
	return bytes.NewReader(body)
}

func ask(url string, put int) error {
	var response *http.Response
	var err error
	if put > 0 {
		response, err = http.Post(url, "application/json", putBody(put))
	} else {
		response, err = http.Get(url)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(ioutil.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	atomic.AddInt64(&answers, 1)
	return nil
}

// The server may have been started in the same moment.
func awaitFirstAnswer(url string, put int) {
	var err error
	for start := time.Now(); time.Since(start) < startUp; time.Sleep(20 * time.Millisecond) {
		if err = ask(url, put); err == nil {
			return
		}
	}
	fail(err)
}

func main() {
	seconds := flag.Float64("seconds", 30, "end after so many seconds")
	connections := flag.Int("connections", 2, "how many requests at a time")
	put := flag.Int("put", 0, "POST an etcd put with a value of so many bytes")
	flag.Parse()
	url := flag.Arg(0)

	awaitFirstAnswer(url, *put)
	// A server that goes away is how this usually ends.
	gone := make(chan error)
	for i := 0; i < *connections; i++ {
		go func() {
			for {
				if err := ask(url, *put); err != nil {
					gone <- err
				}
			}
		}()
	}
	select {
	case err := <-gone:
		fmt.Fprintln(os.Stderr, "load:", err)
	case <-time.After(time.Duration(*seconds * float64(time.Second))):
	}
	fmt.Fprintln(os.Stderr, "load:", atomic.LoadInt64(&answers), "answers")
}
