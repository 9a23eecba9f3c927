import type { BuildView } from '../../server/contract.ts';
import { useResource } from '../live.ts';
import { BuildTable } from '../parts/buildtable.tsx';
import { Shown } from '../parts/states.tsx';
import { pathOf } from '../router.ts';

/** One build. */
export function BuildPage({ names: [uuid = ''] }: { names: readonly string[] }) {
  const build = useResource<BuildView>(`/api/v1/builds/${uuid}`);
  return (
    <>
      <div class="title">
        <h1>Build {uuid.slice(0, 7)}</h1>
        <a href={pathOf('build', uuid, 'console')}>Console</a>
      </div>
      <Shown of={build}>{(value) => <BuildTable builds={[value]} />}</Shown>
    </>
  );
}
