import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Point, type PointResult, tryPoints } from './points.ts';
import { removed } from './tmp.ts';

/**
 * Does the suite see anything? Each defect takes one safety out of a copy of the compiled code; the suite must turn red over it.
 * A defect whose place is not found any more is an error: then the code has moved on and this list must follow.
 */
export interface Defect {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Where the processes die; the first violation ends the trial. */
  readonly points: readonly Point[];
}

/** ms; what a defect loses never comes, so there is no point in waiting long for it. */
const PATIENCE = 30_000;

const at = (name: string, ...passes: number[]): Point[] =>
  passes.map((pass) => ({ role: 'start', name, pass, fresh: true }));

export const defects: readonly Defect[] = [
  {
    name: 'the reporter posts again without reading back',
    file: 'workers/gerrit/report.js',
    from: 'if (doubt !== undefined &&',
    to: 'if (false &&',
    points: at('report.post.after', 1, 2, 3),
  },
  {
    name: 'events are acknowledged before what follows from them is stored',
    file: 'workers/scheduler.js',
    from: 'await store.commit({ epoch, ...turn.write });',
    to: 'await store.commit({ epoch, used: turn.write.used, world: { put: [], drop: [] }, actions: [], history: [] }); await store.commit({ epoch, ...turn.write, used: [] });',
    points: at('store.commit.after', 3, 5, 7, 9),
  },
  {
    name: 'events that came while nobody listened are not filed',
    file: 'workers/gerrit/reconcile.js',
    from: 'return held.filter(({ fact }) => missing.includes(fact));',
    to: 'return [];',
    points: at('store.commit.before', 2, 4),
  },
  {
    name: 'a restarted process starts its builds anew',
    file: 'nodepool/supervisor/plan.js',
    from: 'return posix.join(root, build);',
    to: "return posix.join(root, build + '.' + process.pid);",
    points: at('build.started.after', 1, 2),
  },
  {
    name: 'the outbox is not read again after a restart',
    file: 'workers/dispatch.js',
    from: 'for (const action of await store.undone())',
    to: 'for (const action of [])',
    points: at('scheduler.dispatch.before', 1, 3, 5),
  },
];

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** True when the suite turned red over it. */
export async function isCaught(
  defect: Defect,
  dir: string,
  cluster: string,
  told: (result: PointResult) => void,
): Promise<boolean> {
  const entry = await seed(defect, join(dir, 'code'));
  const queue = [...defect.points];
  let caught = false;
  const look = (result: PointResult): void => {
    told(result);
    if (result.violations.length === 0) return;
    caught = true;
    queue.length = 0;
  };
  const site = () => ({ cluster, deadline: PATIENCE });
  await tryPoints(join(dir, 'site'), { roles: ['start'], plain: { entry }, site }, queue, look);
  await removed(dir);
  return caught;
}

/** A copy of the compiled code with the defect in it; answers its entry. */
async function seed(defect: Defect, copy: string): Promise<string> {
  await mkdir(copy, { recursive: true });
  await cp(join(ROOT, 'dist'), join(copy, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(copy, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const file = join(copy, 'dist', defect.file);
  const text = await readFile(file, 'utf8');
  if (text.split(defect.from).length !== 2)
    throw new Error(`the place of the defect "${defect.name}" was not found once in ${defect.file}`);
  await writeFile(
    file,
    text.replace(defect.from, () => defect.to),
  );
  return join(copy, 'dist', 'cli', 'main.js');
}
