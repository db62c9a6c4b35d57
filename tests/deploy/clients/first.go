// What tests/deploy/generated_clients asks by the client that is generated for Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"first/gradd"
)

func number(x float64) gradd.Variable {
	return gradd.Variable{Point: &gradd.Point{Nested: &gradd.Nested{Float64: &x}}}
}

func names(all ...string) gradd.Names {
	list := []gradd.Names{}
	for i := range all {
		list = append(list, gradd.Names{String: &all[i]})
	}
	return gradd.Names{ArrayOfNames: &list}
}

// Prints what was answered, or ends with the failure.
func show(answer any, err error) {
	if err == nil {
		var text []byte
		text, err = json.Marshal(answer)
		fmt.Println(string(text))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	configuration := gradd.NewConfiguration()
	configuration.Servers = gradd.ServerConfigurations{{URL: os.Args[1]}}
	client, background := gradd.NewAPIClient(configuration), context.Background()
	text, target := "z = (x1 + 5) * x2 ** 2", "z"
	graph := gradd.Graph{String: &text}
	variables := map[string]gradd.Variable{"x1": number(2), "x2": number(3)}

	request := gradd.NewGradientRequest(graph)
	request.Variables = variables
	answer, _, err := client.DerivativesAPI.Gradient(background).GradientRequest(*request).Execute()
	show(answer, err)

	session, _, err := client.SessionsAPI.CreateSession(background).SessionRequest(gradd.SessionRequest{Variables: variables}).Execute()
	if err != nil {
		show(nil, err)
	}
	tape, _, err := client.TapesAPI.OpenTape(background, session.Id).TapeRequest(gradd.TapeRequest{Graph: &graph}).Execute()
	if err != nil {
		show(nil, err)
	}
	ask := client.TapesAPI.TapeGradient(background, session.Id, tape.Tape).TapeGradientRequest(
		*gradd.NewTapeGradientRequest(gradd.Names{String: &target}, names("x1", "x2")))
	gradient, _, err := ask.Execute()
	show(gradient, err)

	_, _, err = ask.Execute()
	var failure *gradd.GenericOpenAPIError
	if errors.As(err, &failure) {
		if problem, ok := failure.Model().(gradd.Problem); ok {
			show(problem.Code, nil)
		}
	}
	_, err = client.SessionsAPI.DeleteSession(background, session.Id).Execute()
	show("deleted", err)
}
