import type { BuildView } from '../../server/contract.ts';
import { ConsoleViewer } from '../console/viewer.tsx';
import { plain, safeUrl } from '../format.ts';
import { useResource } from '../live.ts';
import { BuildResult } from '../parts/result.tsx';
import { pathOf } from '../router.ts';

/** A console in the whole window. */
export function ConsolePage({ names: [uuid = ''] }: { names: readonly string[] }) {
  const build = useResource<BuildView>(`/api/v1/builds/${uuid}`);
  const value = build.value.value;
  const logs = safeUrl(value?.url);
  return (
    <div class="fill">
      <div class="title">
        <h1>
          <a href={pathOf('build', uuid)}>{value === undefined ? uuid.slice(0, 7) : plain(value.job, 120)}</a>
        </h1>
        {value === undefined ? null : (
          <>
            <BuildResult build={value} />
            <span class="dim">
              {value.change === null ? null : <a href={pathOf('change', value.change)}>{value.change}</a>}{' '}
              <bdi>{plain(value.project, 120)}</bdi>
            </span>
          </>
        )}
      </div>
      <ConsoleViewer
        uuid={value?.uuid ?? uuid}
        plainText={logs === undefined ? undefined : `${logs}console.txt`}
      />
    </div>
  );
}
