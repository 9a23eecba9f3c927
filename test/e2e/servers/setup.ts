import { postgresMissing, redisMissing } from '../../harness/servers.ts';

/** Once before all: says in one line each what is skipped, and why. */
export function setup(): void {
  for (const why of [postgresMissing(), redisMissing()])
    if (why !== undefined) console.log(`skipped: ${why}`);
}
