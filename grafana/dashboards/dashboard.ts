// A dashboard: sections of panels, the same head for all of them. Alerts that fire are marked in
// every panel, and each dashboard leads to the others and to the runbooks.

/* eslint @typescript-eslint/no-deprecated: off -- the classic format is the one that every Grafana
   reads from files; the newer one needs a Grafana of the last year. */

import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  RowBuilder,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { runbooksUrl } from './alerts.ts';
import { build, datasource, type Panel } from './panel.ts';

export interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
  /** Of each of its panels, in Grafana's 24 columns. */
  readonly span: number;
  readonly height: number;
}

export interface Board {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly sections: readonly Section[];
}

const tag = 'seckill';

/** As Grafana's file provider takes it. */
export function dashboardOf(board: Board): Dashboard {
  const built = new DashboardBuilder(board.title)
    .uid(board.uid)
    .description(board.description)
    .tags([tag])
    .timezone('browser')
    .time({ from: 'now-15m', to: 'now' })
    .refresh('5s')
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .withVariable(
      new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
    )
    .annotation(firingAlerts())
    .link(
      new DashboardLinkBuilder('Dashboards')
        .type(DashboardLinkType.Dashboards)
        .tags([tag])
        .keepTime(true),
    )
    .link(
      new DashboardLinkBuilder('Runbooks')
        .type(DashboardLinkType.Link)
        .url(runbooksUrl())
        .targetBlank(true),
    );
  let id = 0;
  for (const { title, panels, span, height } of board.sections) {
    id += 1;
    built.withRow(new RowBuilder(title).id(id));
    for (const panel of panels) {
      id += 1;
      built.withPanel(build(panel, id, span, height));
    }
  }
  const dashboard = built.build();
  // Beside the variables, not in a menu, where the SDK puts them.
  for (const link of dashboard.links ?? []) delete link.placement;
  return dashboard;
}

function firingAlerts(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Alerts')
    .datasource(datasource)
    .enable(true)
    .iconColor('red')
    .expr('ALERTS{alertstate="firing", alertname=~"Seckill.+"}')
    .titleFormat('{{alertname}}')
    .step('5s');
}
