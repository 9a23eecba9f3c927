import { render } from 'preact';
import { App } from './app.tsx';
import { listen } from './live.ts';
import { isPage } from './pages.ts';
import { followLinks } from './router.ts';
import { applyTheme } from './theme.ts';
import './style/base.css';
import './style/frame.css';
import './style/status.css';
import './style/console.css';
import './style/pages.css';

applyTheme();
followLinks(isPage);
listen();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
