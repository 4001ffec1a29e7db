// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// step is the time between samples, and between evaluations.
const step = time.Minute

// Series are samples in memory, one a step from the epoch on.
type Series []promql.Series

// ParseSeries reads one series as promtool's tests write it: a metric, and its
// values as in "0x5 1+2x10 _". It is of the release's namespace where it names none.
func ParseSeries(metric, values string) (promql.Series, error) {
	lset, parsed, err := parser.ParseSeriesDesc(metric + " " + values)
	if err != nil {
		return promql.Series{}, fmt.Errorf("%s %s: %w", metric, values, err)
	}
	if lset.Get("namespace") == "" {
		lset = labels.NewBuilder(lset).Set("namespace", Namespace).Labels()
	}
	s := promql.Series{Metric: lset}
	for i, v := range parsed {
		if !v.Omitted {
			s.Floats = append(s.Floats, promql.FPoint{T: int64(i) * step.Milliseconds(), F: v.Value})
		}
	}
	return s, nil
}

// Querier implements storage.Queryable.
func (s Series) Querier(_, _ int64) (storage.Querier, error) { return querier{series: s}, nil }

// querier selects by labels; the engine itself picks the times.
type querier struct {
	storage.LabelQuerier
	series Series
}

func (querier) Close() error { return nil }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1}
	for _, s := range q.series {
		matches := true
		for _, m := range matchers {
			matches = matches && m.Matches(s.Metric.Get(m.Name))
		}
		if matches {
			set.series = append(set.series, s)
		}
	}
	return set
}

type seriesSet struct {
	series Series
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series                { return promql.NewStorageSeries(s.series[s.at]) }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// Firing are the label sets with which a rule fires, for every step: it is
// pending until its expression was true for as long as it says.
func Firing(ctx context.Context, r Rule, s Series, steps int) ([][]labels.Labels, error) {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	since := map[string]time.Time{}
	firing := make([][]labels.Labels, steps)
	for i := range steps {
		now := time.UnixMilli(int64(i) * step.Milliseconds())
		query, err := engine.NewInstantQuery(ctx, s, nil, r.Expr, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Alert, err)
		}
		vector, err := query.Exec(ctx).Vector()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Alert, err)
		}
		active := map[string]time.Time{}
		for _, sample := range vector {
			key := sample.Metric.String()
			if active[key] = now; !since[key].IsZero() {
				active[key] = since[key]
			}
			if now.Sub(active[key]) >= r.For {
				firing[i] = append(firing[i], sample.Metric)
			}
		}
		since = active
	}
	return firing, nil
}
