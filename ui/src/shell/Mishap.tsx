// Keeps a page that breaks from taking the rest along.

import { Component, type ReactNode } from "react";

import { token } from "../api/http";

interface Props {
  children: ReactNode;
}

export class Mishap extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <main className="page" role="alert">
        <h2>This page broke</h2>
        <p>{this.state.error.message}</p>
        <p className="hint">If the pipeline was renewed meanwhile, the page is of the old one.</p>
        <button type="button" onClick={() => location.reload()}>
          Load it again
        </button>{" "}
        <a href={`./?plain=1${token() && `&token=${encodeURIComponent(token())}`}`}>The plain page</a>
      </main>
    );
  }
}
