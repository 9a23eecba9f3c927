import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Accepted, EventPage, PoolAnswer, WhoView, ZuulItem } from '../../server/contract.ts';
import { type Failure, get, keepToken, post, token } from '../api.ts';
import { plain } from '../format.ts';
import { Trouble } from './states.tsx';

/** Asking for something: first a word with the person, then the token, then one request that says who asked. */

export interface Wish {
  readonly title: string;
  readonly text: string;
  readonly confirm: string;
  readonly path: string;
  readonly body: unknown;
}

const wish = signal<Wish | undefined>(undefined);
const signing = signal(false);
const said = signal<string | undefined>(undefined);

export function askFor(next: Wish): void {
  wish.value = next;
}

export function signIn(): void {
  signing.value = true;
}

export function ItemActions({
  pipeline,
  item,
  ordered,
}: {
  pipeline: string;
  item: ZuulItem;
  ordered: boolean;
}) {
  const { id, project } = item;
  if (id === null || !item.live || !/^\d+,\d+$/.test(id)) return null;
  const promote: Wish = {
    title: `Promote ${id}`,
    text: `${id} of ${plain(project)} moves to the head of its queue in ${pipeline}; everything behind the new head is tested again.`,
    confirm: 'Promote',
    path: '/api/v1/promote',
    body: { pipeline, changes: [id] },
  };
  const dequeue: Wish = {
    title: `Dequeue ${id}`,
    text: `${id} of ${plain(project)} leaves ${pipeline}; its builds end and nothing is reported.`,
    confirm: 'Dequeue',
    path: '/api/v1/dequeue',
    body: { pipeline, project, change: id },
  };
  return (
    <span class="actions">
      {[...(ordered && item.item_ahead != null ? [promote] : []), dequeue].map((each) => (
        <button key={each.confirm} type="button" onClick={() => askFor(each)}>
          {each.confirm}
          <span class="sr"> {id}</span>
        </button>
      ))}
    </span>
  );
}

/** The dialogs, once per page. */
export function Asking() {
  const open = wish.value !== undefined && token.value !== '';
  return (
    <>
      {open && wish.value !== undefined ? <Confirm wish={wish.value} /> : null}
      {signing.value || (wish.value !== undefined && token.value === '') ? <SignIn /> : null}
      {said.value === undefined ? null : (
        <p class="toast" role="status">
          {said.value} <a href="/ledger?kind=all">Ledger</a>
          <button type="button" onClick={() => (said.value = undefined)}>
            Close
          </button>
        </p>
      )}
    </>
  );
}

function Confirm({ wish: asked }: { wish: Wish }) {
  const failure = useFailure();
  const send = async () => {
    const answer = await post<Accepted | PoolAnswer>(asked.path, asked.body);
    if (answer.ok) {
      wish.value = undefined;
      if ('id' in answer.value) void tell(asked.title, answer.value.id);
      else said.value = `${asked.title}: ${plain(answer.value.note)}.`;
    } else if (answer.failure.status === 401) {
      keepToken('');
      failure.set(answer.failure);
    } else failure.set(answer.failure);
  };
  return (
    <Modal title={asked.title} close={() => (wish.value = undefined)}>
      <p>{asked.text}</p>
      {failure.now === undefined ? null : <Trouble failure={failure.now} />}
      <div class="buttons">
        <button type="button" onClick={() => (wish.value = undefined)}>
          Keep as it is
        </button>
        <button type="button" class="primary" onClick={() => void send()}>
          {asked.confirm}
        </button>
      </div>
    </Modal>
  );
}

/** What became of it, once the kernel has said so. */
async function tell(title: string, id: string): Promise<void> {
  said.value = `${title}: written down.`;
  for (let looks = 0; looks < 20; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const answer = await get<EventPage>('/api/v1/events?limit=100');
    const note = answer.ok ? answer.value.events.find(({ key }) => key === `request/${id}`)?.note : undefined;
    if (note == null) continue;
    said.value = `${title}: ${plain(note)}.`;
    return;
  }
}

function SignIn() {
  const failure = useFailure();
  const field = useRef<HTMLInputElement>(null);
  const close = () => {
    signing.value = false;
    wish.value = undefined;
  };
  const enter = async () => {
    const text = field.current?.value.trim() ?? '';
    const answer = await get<WhoView>('/api/v1/whoami', undefined, text);
    if (!answer.ok) {
      failure.set(answer.failure);
      return;
    }
    keepToken(text);
    signing.value = false;
  };
  return (
    <Modal title="A token, please" close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <p>
          Reading is open; asking for anything needs a token. The server keeps one in its data directory, in
          the file <code>token</code>. It stays in this tab only.
        </p>
        <label class="field">
          Token
          <input ref={field} type="password" name="token" autocomplete="off" required />
        </label>
        {failure.now === undefined ? null : <Trouble failure={failure.now} />}
        <div class="buttons">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="primary">
            Use it
          </button>
        </div>
      </form>
    </Modal>
  );
}

function useFailure(): { readonly now: Failure | undefined; set(failure: Failure | undefined): void } {
  const held = useRef(signal<Failure | undefined>(undefined)).current;
  return { now: held.value, set: (failure) => (held.value = failure) };
}

function Modal({
  title,
  close,
  children,
}: {
  title: string;
  close: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={close}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}
