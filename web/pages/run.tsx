import { useSignal } from '@preact/signals';
import type { Accepted, JobList, JobView, RunView } from '../../server/contract.ts';
import { type Failure, post, token } from '../api.ts';
import { plain } from '../format.ts';
import { useResource } from '../live.ts';
import { signIn } from '../parts/actions.tsx';
import { BuildTable } from '../parts/buildtable.tsx';
import { Shown, Trouble } from '../parts/states.tsx';
import { pathOf, query, refine } from '../router.ts';

/** Starts one job by hand, with parameters, on a change or on nothing; and shows what becomes of it. */
export function RunPage() {
  const jobs = useResource<JobList>('/api/v1/jobs', { still: true, every: 0 });
  const job = query.value.get('job') ?? '';
  const asked = query.value.get('run');
  const known = jobs.value.value?.jobs.some(({ name }) => name === job) === true;
  const details = useResource<JobView>(known ? `/api/v1/jobs/${encodeURIComponent(job)}` : undefined, {
    still: true,
    every: 0,
  });
  const failure = useSignal<Failure | undefined>(undefined);

  async function start(form: HTMLFormElement): Promise<void> {
    if (token.value === '') {
      signIn();
      return;
    }
    const data = new FormData(form);
    const text = (name: string) => textOf(data.get(name)).trim();
    const params = Object.fromEntries(
      [...data.entries()]
        .filter(([name]) => name.startsWith('param:'))
        .map(([name, value]) => [name.slice('param:'.length), textOf(value)])
        .filter(([name = '', value]) => value !== details.value.value?.parameters[name]),
    );
    const more = parseMore(text('more'));
    const change = text('change');
    const answer = await post<Accepted>('/api/v1/run', {
      job,
      params: { ...params, ...more },
      vote: data.get('vote') === 'on',
      ...(change === '' ? {} : { change }),
    });
    if (answer.ok) {
      failure.value = undefined;
      refine({ run: answer.value.id });
    } else failure.value = answer.failure;
  }

  return (
    <>
      <div class="toolbar">
        <h1>Run a job</h1>
      </div>
      {asked === null ? null : <Asked id={asked} />}
      <form
        class="sheet"
        onSubmit={(event) => {
          event.preventDefault();
          void start(event.currentTarget);
        }}
      >
        <label class="field">
          Job
          <input
            name="job"
            list="all-jobs"
            required
            autocomplete="off"
            value={job}
            onChange={(event) => refine({ job: event.currentTarget.value.trim(), run: undefined })}
          />
          <datalist id="all-jobs">
            {jobs.value.value?.jobs.map(({ name }) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          <small>
            {plain(details.value.value?.description ?? 'One of the jobs of the configuration in force.', 300)}
          </small>
        </label>
        <label class="field">
          Change
          <input
            name="change"
            pattern="[1-9][0-9]*(,[1-9][0-9]*)?"
            placeholder="1234 or 1234,5"
            autocomplete="off"
            defaultValue={query.value.get('change') ?? ''}
          />
          <small>
            Without one the job runs on nothing in particular; without a patchset, on the current one.
          </small>
        </label>
        {Object.entries(details.value.value?.parameters ?? {}).map(([name, value]) => (
          <label key={`${job} ${name}`} class="field">
            <span class="mono">{plain(name, 100)}</span>
            <input name={`param:${name}`} defaultValue={value} autocomplete="off" />
          </label>
        ))}
        <label class="field">
          More parameters
          <textarea name="more" rows={2} placeholder="NAME=value, one a line" />
        </label>
        <label class="check">
          <input type="checkbox" name="vote" />
          Report it on the change, with votes, as its pipeline would
        </label>
        {failure.value === undefined ? null : <Trouble failure={failure.value} />}
        <div class="buttons">
          <button type="submit" class="primary">
            Run it
          </button>
        </div>
      </form>
    </>
  );
}

/** A field is text, or a file, of which there are none. */
function textOf(value: FormDataEntryValue | null): string {
  return typeof value === 'string' ? value : '';
}

function parseMore(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split('\n')
      .map((line) => /^\s*([A-Za-z_]\w*)=(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map((match) => [match[1] ?? '', match[2] ?? '']),
  );
}

const words: Readonly<Record<RunView['state'], string>> = {
  accepted: 'It is written down and will be taken up in a moment.',
  waiting: 'It waits.',
  running: 'It runs.',
  finished: 'It has ended.',
  refused: 'It was refused.',
};

function Asked({ id }: { id: string }) {
  const run = useResource<RunView>(`/api/v1/run/${encodeURIComponent(id)}`, { every: 3_000 });
  return (
    <section class="others" aria-live="polite">
      <Shown of={run}>
        {(value) => (
          <>
            <p class={value.state === 'refused' ? 'trouble' : 'lead'}>
              <b>{words[value.state]}</b> {plain(value.why ?? '', 400)}{' '}
              {value.builds[0]?.state === 'running' ? (
                <a href={pathOf('build', value.builds[0].uuid, 'console')}>Watch its console</a>
              ) : null}
            </p>
            {value.builds.length === 0 ? null : <BuildTable builds={value.builds} />}
          </>
        )}
      </Shown>
    </section>
  );
}
