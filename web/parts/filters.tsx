import { query, refine } from '../router.ts';

/** Fields that narrow a list; what they say is in the address. */
export function Filters({ fields }: { fields: readonly (readonly [string, string])[] }) {
  const set = fields.some(([name]) => query.value.has(name));
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      {fields.map(([name, label]) => (
        <label key={name}>
          <span>{label}</span>
          <input
            type="text"
            name={name}
            value={query.value.get(name) ?? ''}
            onChange={(event) => refine({ [name]: event.currentTarget.value.trim(), cursor: undefined })}
          />
        </label>
      ))}
      {set ? (
        <button
          type="button"
          onClick={() =>
            refine(Object.fromEntries([...fields.map(([name]) => [name, undefined]), ['cursor', undefined]]))
          }
        >
          Clear
        </button>
      ) : null}
    </form>
  );
}
