import type { BuildPage as Page } from '../../server/contract.ts';
import { useResource } from '../live.ts';
import { BuildTable } from '../parts/buildtable.tsx';
import { Filters } from '../parts/filters.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { query, refine } from '../router.ts';

const fields = [
  ['job', 'Job'],
  ['change', 'Change'],
  ['project', 'Project'],
  ['pipeline', 'Pipeline'],
  ['result', 'Result'],
] as const;

/** Builds of now and of the past. */
export function BuildsPage() {
  const asked = new URLSearchParams(query.value);
  const builds = useResource<Page>(`/api/v1/builds?${asked.toString()}`);
  return (
    <>
      <div class="toolbar">
        <h1>Builds</h1>
        <Filters fields={fields} />
      </div>
      <Shown of={builds}>
        {(value) => (
          <>
            {value.builds.length === 0 ? (
              <Empty>No build matches.</Empty>
            ) : (
              <BuildTable builds={value.builds} />
            )}
            <div class="pager">
              {query.value.has('cursor') ? (
                <button type="button" onClick={() => refine({ cursor: undefined })}>
                  Newest
                </button>
              ) : null}
              {value.next === null ? null : (
                <button type="button" onClick={() => refine({ cursor: value.next ?? undefined })}>
                  Older
                </button>
              )}
            </div>
          </>
        )}
      </Shown>
    </>
  );
}
