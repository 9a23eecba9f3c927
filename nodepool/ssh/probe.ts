import type { Clock } from '../../pipelines/ports.ts';
import { type Judgement, judge, type NodeNeeds, readProbe } from '../preflight.ts';
import type { RemoteRun } from '../remote.ts';
import { saidBy, script } from './script.ts';

const deadline = 60_000;

/** Asks a node what it is and judges it. `user` is the account of the steps; empty for the one that logs in. */
export async function preflight(
  node: RemoteRun,
  needs: NodeNeeds,
  user: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Judgement> {
  // The first call may have to connect; only the second one's time says how exact the clocks are compared.
  await node.run('exit 0', { signal, deadline });
  const asked = clock.now();
  const result = await node.run(script('probe', [needs.root, user]), { signal, deadline });
  return judge(readProbe(saidBy(result, 'cannot look at the node')), needs, asked, clock.now());
}
