// Command controlplane is what the live tests run, linked into one file: etcd, the Kubernetes API server, its
// controller manager and scheduler, kubectl, kwok (which plays the kubelets) and helm. One link is much cheaper than
// seven. The first argument, or the name of a symbolic link, chooses the program.
package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJobs with a time zone, on machines without zoneinfo

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helm "helm.sh/helm/v4/pkg/cmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

var programs = map[string]func() error{
	"etcd":                    func() error { etcdmain.Main(os.Args); return nil },
	"kube-apiserver":          func() error { os.Exit(cli.Run(apiserver.NewAPIServerCommand())); return nil },
	"kube-controller-manager": func() error { os.Exit(cli.Run(controllermanager.NewControllerManagerCommand())); return nil },
	"kube-scheduler":          func() error { os.Exit(cli.Run(scheduler.NewSchedulerCommand())); return nil },
	"kubectl":                 func() error { os.Exit(cli.Run(kubectl.NewDefaultKubectlCommand())); return nil },
	"kwok":                    runKwok,
	"kwok-stages":             printStages,
	"helm":                    runHelm,
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, known := programs[name]; !known && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	run, known := programs[name]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: controlplane PROGRAM [flags], PROGRAM one of", slices.Sorted(maps.Keys(programs)))
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// printStages writes kwok's configuration: without stages it does not start.
func printStages() error {
	stages := []string{
		nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	}
	_, err := fmt.Println(strings.Join(stages, "\n---\n"))
	return err
}

func runKwok() error {
	// component-base has registered a --version that kwok's own would clash with.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	global := pflag.NewFlagSet("global", pflag.ContinueOnError)
	global.ParseErrorsAllowlist.UnknownFlags = true
	global.Usage = func() {}
	ctx, _ := kwoklog.InitFlags(signals.SetupSignalContext(), global)
	ctx, err := kwokconfig.InitFlags(ctx, global)
	if err != nil {
		return err
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(global)
	return command.ExecuteContext(ctx)
}

func runHelm() error {
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], func(debug bool) {
		level := slog.LevelWarn
		if debug {
			level = slog.LevelDebug
		}
		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	})
	if err != nil {
		return err
	}
	return command.Execute()
}
