
'use strict';
// Says under a picture what is at the instant that is pointed at. No sign in here that XML reserves.
for (const svg of document.querySelectorAll('figure > svg')) {
  const from = Number(svg.dataset.from);
  const to = Number(svg.dataset.to);
  const readout = svg.parentNode.querySelector('.readout');
  const share = (element, name) => parseFloat(element.getAttribute(name)) / 100;
  const facts = (row) => {
    const found = [];
    for (const title of row.querySelectorAll('title')) {
      const within = title.parentNode;
      const rect = within.tagName === 'rect' ? within : within.querySelector('rect');
      if (rect === null) continue;
      const begin = share(rect, 'x');
      found.push({ begin, end: begin + share(rect, 'width'), text: title.textContent });
    }
    return found;
  };
  let rows = null;
  const cursor = document.createElementNS(svg.namespaceURI, 'line');
  cursor.setAttribute('class', 'cursor');
  cursor.setAttribute('y2', svg.getAttribute('height'));
  const point = (event) => {
    rows = rows || Array.from(svg.querySelectorAll('.row'), facts);
    const box = svg.getBoundingClientRect();
    const at = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    // What is drawn later lies above.
    const hit = (row) => row.findLast((fact) => Math.min(at - fact.begin, fact.end - at) >= 0);
    const texts = rows.map(hit).filter(Boolean).map((fact) => fact.text);
    const instant = new Date(from + at * (to - from)).toISOString().slice(0, 19) + 'Z';
    readout.textContent = [instant].concat(texts).join('\n');
    cursor.setAttribute('x1', at * 100 + '%');
    cursor.setAttribute('x2', at * 100 + '%');
    svg.append(cursor);
  };
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerdown', point);
}
