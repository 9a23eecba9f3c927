import { signal } from '@preact/signals';

/** Light, dark, or as the system says. */
export type Theme = 'auto' | 'light' | 'dark';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];

function kept(): Theme {
  const found = localStorage.getItem('theme');
  return themes.find((theme) => theme === found) ?? 'auto';
}

export const theme = signal<Theme>(kept());

export function applyTheme(): void {
  document.documentElement.dataset['theme'] = theme.value;
}

export function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? 'auto';
  localStorage.setItem('theme', theme.value);
  applyTheme();
}
