export function Runs() { return <main id="main" tabIndex={-1} className="page">runs</main>; }
