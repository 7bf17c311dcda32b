// Prometheus and Alertmanager as the tests run them: Debian's own packages, no service started.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sayOnStderr } from '#knative/local/say.ts';
import { ensurePrograms } from '#knative/local/stores/programs.ts';

const prometheus = 'prometheus';
const alertmanager = 'prometheus-alertmanager';

/** Installs what is missing of them; rejects with what to install by hand where we may not. */
export async function ensureMonitoring(): Promise<void> {
  await ensurePrograms(
    [
      { program: 'prometheus', debianPackage: prometheus },
      { program: 'promtool', debianPackage: prometheus },
      { program: 'prometheus-alertmanager', debianPackage: alertmanager },
      { program: 'amtool', debianPackage: alertmanager },
    ],
    join(tmpdir(), 'seckill-monitoring-install.log'),
    (text) => {
      sayOnStderr('monitoring', text);
    },
  );
}
