/** A state as a word with a colour, never a colour alone. */
export function State({ name }: { name: string }) {
  return <span className={`state ${name}`}>{name}</span>;
}
