// gradd from Go, with its standard library alone. Usage: go run first.go [URL]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
)

// Problem is a request that gradd refused: application/problem+json (RFC 9457).
type Problem struct {
	Status       int
	Code, Detail string
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

type object = map[string]any

var gradd = "http://127.0.0.1:8080"

// ask sends body as JSON, where it is not nil, and reads the JSON of the answer into answer, likewise.
func ask(method, path string, body, answer any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequest(method, gradd+path, &text)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		problem := &Problem{}
		if err := json.NewDecoder(response.Body).Decode(problem); err != nil {
			return err
		}
		return problem
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) > 1 {
		gradd = os.Args[1]
	}

	// One request: the value of a graph and its gradient.
	graph, variables := "z = (x1 + 5) * x2 ** 2", object{"x1": 2.0, "x2": 3.0}
	var first struct {
		Value    float64
		Gradient struct{ X1, X2 float64 }
	}
	must(ask("POST", "/v1/gradient", object{"graph": graph, "variables": variables}, &first))
	fmt.Printf("z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f\n", first.Value, first.Gradient.X1, first.Gradient.X2)

	// A session keeps variables. A persistent tape in it answers as often as it is asked.
	var made struct{ ID, Tape string }
	must(ask("POST", "/v1/sessions", object{"variables": variables}, &made))
	session := "/v1/sessions/" + made.ID
	must(ask("POST", session+"/tapes", object{"graph": graph, "persistent": true}, &made))
	var byX1, byX2 struct{ Gradient float64 }
	tape := session + "/tapes/" + made.Tape + "/gradient"
	must(ask("POST", tape, object{"target": "z", "sources": "x1"}, &byX1))
	must(ask("POST", tape, object{"target": "z", "sources": "x2"}, &byX2))
	fmt.Printf("the tape, asked twice: %.1f and %.1f\n", byX1.Gradient, byX2.Gradient)
	must(ask("DELETE", session, nil, nil))

	// A hundred steps of gradient descent are one request.
	var found struct {
		Steps     int
		Loss      float64
		Variables struct{ X float64 }
	}
	must(ask("POST", "/v1/minimize", object{
		"graph":     "y = 3 * x ** 2 + 2 * x - 1",
		"variables": object{"x": 0.0},
		"optimizer": object{"name": "SGD", "learning_rate": 0.1},
		"steps":     100,
	}, &found))
	fmt.Printf("after %d steps x = %.4f, y = %.4f\n", found.Steps, found.Variables.X, found.Loss)

	// What is refused says what was found and what was expected.
	var problem *Problem
	err := ask("POST", "/v1/gradient", object{"graph": "y = redcue_sum(x)", "variables": object{"x": []int{1, 2}}}, nil)
	if errors.As(err, &problem) {
		fmt.Printf("refused with %v\n", problem)
	}
}
