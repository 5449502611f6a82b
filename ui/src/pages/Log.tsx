export function Log() { return <main id="main" tabIndex={-1} className="page">log</main>; }
