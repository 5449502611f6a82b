// What is not on the screen is not there: it asks for nothing and draws nothing.

import { useEffect, useRef, useState, type ReactNode } from "react";

export function WhenSeen({ className, children }: { className: string; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    if (place.current === null) return;
    const watching = new IntersectionObserver((entries) => setSeen(entries.at(-1)?.isIntersecting ?? false), { rootMargin: "100px" });
    watching.observe(place.current);
    return () => watching.disconnect();
  }, []);
  return (
    <div className={className} ref={place}>
      {isSeen && children}
    </div>
  );
}
