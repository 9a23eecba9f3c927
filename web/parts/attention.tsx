import type { HealthView } from '../../server/contract.ts';
import { useResource } from '../live.ts';

/** What an operator should look at, above everything else; nothing when all is well. */
export function Attention() {
  const health = useResource<HealthView>('/api/v1/health', { every: 10_000 });
  const parts = Object.entries(health.value.value?.parts ?? {}).filter(([, { ok }]) => !ok);
  if (parts.length === 0) return null;
  return (
    <ul class="attention" role="alert">
      {parts.map(([name, { detail }]) => (
        <li key={name}>
          <b>{name}</b> {detail}
        </li>
      ))}
    </ul>
  );
}
