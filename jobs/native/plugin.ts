import type { Builder } from '../definition/builder.ts';
import type { Publisher } from '../definition/publisher.ts';
import { isDict } from '../jjb/python.ts';
import type { OwnParts } from '../own.ts';
import type { Places } from '../places.ts';
import { didYouMean, type Place, type Problem } from '../problem.ts';
import type { NativeJob, Parts } from './job.ts';
import type { NativePublisher } from './publish.ts';
import type { NativeStep, PluginStep } from './step.ts';

/** The site's own builders and publishers in native jobs: asked what they do, and whether they are used well. */

interface Scene {
  readonly own: OwnParts;
  readonly job: string;
  readonly places: Places;
  /** Where the job is. */
  readonly start: Place | undefined;
  readonly problems: Problem[];
}

/** `written` is the job as it stands in the file: its objects have places. */
export function partsOf(job: NativeJob, written: unknown, scene: Scene): Parts {
  const raw = (key: string) => (isDict(written) ? written[key] : undefined);
  const publishers = (['results', 'after', 'artifacts', 'mail', 'publish'] as const).flatMap((key) =>
    job[key].map((each, index) => publisherOf(each, raw(key), index, scene)),
  );
  return { builders: buildersOf(job.steps, raw('steps'), scene), publishers };
}

function buildersOf(steps: readonly NativeStep[], written: unknown, scene: Scene): Builder[] {
  return steps.flatMap((step, index): readonly Builder[] => {
    switch (step.kind) {
      case 'plugin':
        return pluginOf(step, placeIn(written, index, scene), scene);
      case 'conditional':
        return [{ ...step, steps: buildersOf(step.steps, inside(written, index, 'steps'), scene) }];
      case 'shell':
      case 'inject':
      case 'trigger':
      case 'copy':
        break;
    }
    return [step];
  });
}

function publisherOf(publisher: NativePublisher, list: unknown, index: number, scene: Scene): Publisher {
  if (publisher.kind === 'after') {
    const steps = inside(list, index, 'steps') ?? inside(inside(list, index), 'after', 'steps');
    return { ...publisher, steps: buildersOf(publisher.steps, steps, scene) };
  }
  if (publisher.kind === 'own') {
    const { name, options } = publisher;
    const complain = complainer(placeIn(list, index, scene), scene);
    const check = find(scene.own.publishers, name, 'publisher', complain);
    check?.(options, complain);
  }
  return publisher;
}

function pluginOf({ name, options }: PluginStep, at: Place | undefined, scene: Scene): readonly Builder[] {
  const complain = complainer(at, scene);
  return find(scene.own.builders, name, 'builder', complain)?.(options, complain) ?? [];
}

type Complain = (message: string, hint?: string) => void;

function find<T>(
  parts: Readonly<Record<string, T>>,
  name: string,
  what: string,
  complain: Complain,
): T | undefined {
  if (Object.hasOwn(parts, name)) return parts[name];
  const near = didYouMean(name, Object.keys(parts));
  const known = Object.keys(parts).join(', ') || 'none: `plugins:` of the site file names a module';
  const hint = near === undefined ? `known: ${known}` : `did you mean \`${near}\`?`;
  complain(`The site has no ${what} plug-in ${JSON.stringify(name)}.`, hint);
  return undefined;
}

function complainer(at: Place | undefined, { job, start, problems }: Scene): Complain {
  return (message, hint) => {
    const via = [{ what: `job ${job}`, at: start }];
    problems.push({
      severity: 'error',
      code: 'plugin',
      message,
      at: at ?? start,
      via,
      ...(hint === undefined ? {} : { hint }),
    });
  };
}

function placeIn(list: unknown, index: number, { places, start }: Scene): Place | undefined {
  return (typeof list === 'object' && list !== null ? places.of(list, index) : undefined) ?? start;
}

function inside(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>(
    (found, key) => (typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined),
    value,
  );
}
