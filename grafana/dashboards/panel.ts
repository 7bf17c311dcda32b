// What a panel is in this project, and how Grafana gets to know it: figures (what is) and trends
// (how it came to be), each with a unit, a legend and a sentence that says how to read it.

import {
  AxisPlacement,
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  MappingType,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as Figure } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as Trend } from '@grafana/grafana-foundation-sdk/timeseries';
import { limitOf, runbookOf } from './alerts.ts';

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly kind: 'figure' | 'trend';
  readonly title: string;
  readonly description: string;
  /** Grafana's name of it: https://grafana.com/docs/grafana/latest (standard options, unit). */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** What has another unit, on an axis of its own. */
  readonly right?: { readonly unit: string; readonly queries: readonly Query[] };
  /** The alerts that are about this: their runbooks are links. */
  readonly alerts?: readonly string[];
  /** The alert whose limit is the panel's threshold. */
  readonly threshold?: string;
  /** What a number is called. */
  readonly words?: Readonly<Record<string, string>>;
}

/** Which Prometheus: chosen at the top of the dashboard. */
export const datasource = { type: 'prometheus', uid: '$' + '{datasource}' };

const good = 'green';
const bad = 'red';

/** The panel for Grafana, this many of its 24 columns wide and this many rows high. */
export function build(panel: Panel, id: number, span: number, height: number): Figure | Trend {
  const built = panel.kind === 'figure' ? figure(panel) : trend(panel);
  built
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(datasource)
    .unit(panel.unit)
    .thresholds(thresholdsOf(panel))
    .links(
      (panel.alerts ?? []).map((name) =>
        new DashboardLinkBuilder(`What to do: ${name}`).url(runbookOf(name)).targetBlank(true),
      ),
    )
    .span(span)
    .height(height);
  for (const [index, query] of allQueries(panel).entries()) {
    const { expr, legend } = query;
    const target = new DataqueryBuilder().datasource(datasource).refId(refIdOf(index));
    target.expr(expr).legendFormat(legend);
    built.withTarget(panel.kind === 'figure' ? target.instant() : target.range());
  }
  return built;
}

/** Of both axes, in the order in which they are asked. */
export function allQueries({ queries, right }: Panel): readonly Query[] {
  return [...queries, ...(right?.queries ?? [])];
}

function figure({ words = {} }: Panel): Figure {
  return new Figure()
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .mappings([
      {
        type: MappingType.ValueToText,
        options: Object.fromEntries(
          Object.entries(words).map(([value, text], index) => [value, { text, index }]),
        ),
      },
    ]);
}

function trend({ queries, right, threshold }: Panel): Trend {
  const { Dashed, Off } = GraphThresholdsStyleMode;
  const mode = threshold === undefined ? Off : Dashed;
  const built = new Trend()
    .min(0)
    .fillOpacity(8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    )
    .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(mode));
  for (const index of (right?.queries ?? []).keys()) {
    built.overrideByQuery(refIdOf(queries.length + index), [
      { id: 'unit', value: right?.unit },
      { id: 'custom.axisPlacement', value: AxisPlacement.Right },
      { id: 'custom.lineStyle', value: { fill: 'dash', dash: [6, 4] } },
      { id: 'custom.fillOpacity', value: 0 },
      { id: 'custom.thresholdsStyle', value: { mode: Off } },
    ]);
  }
  return built;
}

function thresholdsOf({ threshold }: Panel): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(stepsOf(threshold));
}

function stepsOf(threshold: string | undefined): Threshold[] {
  if (threshold === undefined) return [{ value: null, color: good }];
  const { limit, firesBelow } = limitOf(threshold);
  const [low, high] = firesBelow ? [bad, good] : [good, bad];
  // Grafana colours what is at the limit, too; of whole numbers beyond 0 the first is 1.
  const value = limit === 0 ? 1 : limit;
  return [
    { value: null, color: low },
    { value, color: high },
  ];
}

function refIdOf(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}
