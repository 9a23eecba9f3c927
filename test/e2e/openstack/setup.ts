import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

/**
 * The cloud of these stories: the one `OS_CLOUD` names, or a small one on loopback (keystone, nova with its fake hypervisor, placement,
 * glance, neutron, from Debian's packages) that is looked for beside the project, started here and stopped again.
 */
const run = promisify(execFile);
const LAB = resolve('../shared/lab/openstack');
const UP_DEADLINE = 800_000;

declare module 'vitest' {
  interface ProvidedContext {
    clouds: { readonly file: string; readonly cloud: string; readonly lab: boolean } | undefined;
  }
}

export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const named = process.env['OS_CLOUD'];
  const file = process.env['OS_CLIENT_CONFIG_FILE'];
  if (named !== undefined && file !== undefined) {
    project.provide('clouds', { file, cloud: named, lab: false });
    return undefined;
  }
  if (!existsSync(join(LAB, 'up')))
    return skip(project, `a cloud: name one by OS_CLIENT_CONFIG_FILE and OS_CLOUD`);
  if (process.geteuid?.() !== 0) return skip(project, 'root, to start an OpenStack on loopback');
  const dir = process.env['LAB_DIR'] ?? '/var/tmp/openstack-lab';
  const healthy = () =>
    run(join(LAB, 'status')).then(
      () => true,
      () => false,
    );
  const clouds = { file: join(dir, 'clouds.yaml'), cloud: 'lab', lab: true };
  if (await healthy()) {
    project.provide('clouds', clouds);
    return undefined;
  }
  try {
    await run(join(LAB, 'up'), { timeout: UP_DEADLINE, maxBuffer: 64 * 1024 * 1024 });
  } catch (caught) {
    const words = caught instanceof Error && 'stderr' in caught ? String(caught.stderr) : String(caught);
    throw new Error(`the OpenStack on loopback did not start:\n${words.slice(-2_000)}`, { cause: caught });
  }
  project.provide('clouds', clouds);
  return async () => {
    await run(join(LAB, 'down'), { timeout: 120_000 });
  };
}

function skip(project: TestProject, needed: string): undefined {
  console.log(`the stories on a real OpenStack are skipped, they need ${needed}`);
  project.provide('clouds', undefined);
  return undefined;
}
