import type { PoolConfig } from '../../nodepool/config/config.ts';
import type { Prepare } from '../../nodepool/config/prepare.ts';
import type { Launcher } from '../../nodepool/launcher.ts';
import type { Project } from '../../nodepool/prepare/machine.ts';
import { openPreparations, type Preparations } from '../../nodepool/prepare/preparations.ts';
import type { Reach } from '../../nodepool/reach.ts';
import { serves, shapeOf } from '../../nodepool/shape.ts';
import { Fault } from '../../pipelines/fault.ts';
import type { JobTree } from '../../pipelines/layout.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';
import type { PreparePort } from '../../server/preparing.ts';
import type { House } from '../house.ts';
import type { GerritConnection } from '../sitekeys.ts';

/** Preparing machines: the pool's part of it, with the repositories of this process. */
export async function openPreparing(
  house: House,
  launcher: Launcher,
  reach: Reach,
  current: () => Promise<void>,
): Promise<Preparations> {
  return await openPreparations({
    pool: launcher,
    context: launcher.context,
    current,
    connect: reach.connect,
    projects: (label, wanted) => projectsFor(house, launcher.context.standing.wanted, label, wanted),
  });
}

function projectsFor(house: House, pool: PoolConfig, label: string, wanted: Prepare['projects']): Project[] {
  const { made, site } = house;
  const gerrits = Object.entries(site.connections).flatMap(([name, given]) =>
    given.driver === 'gerrit' ? [{ name, given }] : [],
  );
  const [first] = gerrits;
  if (first === undefined) return [];
  const layout = made.world?.config;
  const known = layout === undefined ? new Map<string, string>() : connectionsOf(layout);
  const names =
    wanted === undefined
      ? projectsOn(label, layout, pool)
      : wanted === 'all'
        ? Object.keys(layout?.layout.projects ?? {})
        : wanted;
  return names.map((project) => {
    const connection = known.get(project) ?? first.name;
    const given = gerrits.find(({ name }) => name === connection)?.given ?? first.given;
    return {
      project,
      async bring(signal) {
        if (made.merger === undefined) {
          throw new Fault('git-failed', 'this process has no repositories', {
            hint: 'Machines are prepared by a process that also merges, such as `stackgate start`.',
          });
        }
        return {
          ...(await made.merger.mirror(connection, project, signal)),
          origin: originOf(given, project),
        };
      },
    };
  });
}

function originOf({ url, host }: GerritConnection, project: string): string {
  return `${(url ?? `https://${host}`).replace(/\/+$/, '')}/${project}`;
}

/** Where the pipelines of a project take its changes from. */
function connectionsOf({ layout }: SiteConfig): Map<string, string> {
  const sources = new Map(layout.pipelines.map(({ name, source }) => [name, source]));
  return new Map(
    Object.values(layout.projects).flatMap(({ name, pipelines }): [string, string][] => {
      const source = Object.keys(pipelines)
        .map((pipeline) => sources.get(pipeline))
        .find((each) => each !== undefined);
      return source === undefined ? [] : [[name, source]];
    }),
  );
}

/** Projects with a job that may run on machines of this label. */
function projectsOn(label: string, config: SiteConfig | undefined, pool: PoolConfig): string[] {
  if (config === undefined) return [];
  const isOnIt = (job: string): boolean => {
    const spec = config.needs[job] ?? { label: '' };
    const read = shapeOf(spec, pool);
    return read.kind === 'shape' && read.shape.members.some((member) => serves(member, [label]));
  };
  const anyOf = ({ job, children }: JobTree): boolean => isOnIt(job) || children.some(anyOf);
  return Object.values(config.layout.projects)
    .filter(({ pipelines }) => Object.values(pipelines).flat().some(anyOf))
    .map(({ name }) => name);
}

/** As the door sees it; undefined where this process is not the launcher. */
export function preparePort({ made }: House): PreparePort | undefined {
  return made.preparations;
}
