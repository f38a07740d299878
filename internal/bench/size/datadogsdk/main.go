// Datadogsdk is hello with one log sent by the core of Datadog's SDK. Its documentation has
// one more package above that, of all of Datadog's API, so this is the least it can weigh.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	fmt.Println("hello")
	client := datadog.NewAPIClient(datadog.NewConfiguration())
	logs := []map[string]string{{"message": "hello"}}
	header := map[string]string{"Content-Type": "application/json", "DD-API-KEY": "0123456789abcdef0123456789abcdef"}
	request, err := client.PrepareRequest(context.Background(), "https://telemetry.example.com/api/v2/logs",
		http.MethodPost, &logs, header, url.Values{}, url.Values{}, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	if answer, err := client.CallAPI(request); err == nil {
		answer.Body.Close()
	}
}
