/* What a map of an area shows besides its background: pictures that are replaced without flicker,
   a divider between two of them, and outlines. pages/parts/area/map.py calls `landcoverArea.show`
   on each answer. */
"use strict";
window.landcoverArea = (function () {
  const STEP = 0.02; // of the map's width that an arrow key moves the divider
  const PANES = { under: 405, left: 410, right: 411, lines: 420 };
  const STYLES = {
    imagery: [{ color: "#2f7de1", weight: 2 }],
    area: [
      { color: "#ffffff", weight: 5, opacity: 0.8 },
      { color: "#e8590c", weight: 2.5, dashArray: "6 4" },
    ],
    waiting: [{ color: "#6e7781", weight: 1, dashArray: "2 4" }],
    window: [
      { color: "#ffffff", weight: 5, opacity: 0.9 },
      { color: "#1f2328", weight: 2, dashArray: "8 5" },
    ],
    cell: [
      { color: "#ffffff", weight: 6 },
      { color: "#e8590c", weight: 3 },
    ],
  };
  const pictures = new Map(); // id of a layer → its address and overlay
  let outlines = null;
  let divider = null;
  let share = 0.5; // of the width that lies left of the divider

  function show(map, state) {
    Object.keys(PANES).forEach((name) => pane(map, name));
    draw(map, state.layers);
    lines(map, state.outlines);
    divide(map, state.divider);
  }

  function pane(map, name) {
    if (map.getPane("lc-area-" + name)) return;
    const made = map.createPane("lc-area-" + name);
    made.style.zIndex = PANES[name];
    made.style.pointerEvents = "none";
  }

  function draw(map, wanted) {
    const ids = new Set(wanted.map((layer) => layer.id));
    pictures.forEach((one, id) => {
      if (ids.has(id)) return;
      map.removeLayer(one.overlay);
      pictures.delete(id);
    });
    wanted.forEach((layer) => {
      const old = pictures.get(layer.id);
      if (old && old.url === layer.url) {
        old.overlay.setOpacity(layer.opacity);
        return;
      }
      const overlay = L.imageOverlay(layer.url, layer.bounds, {
        pane: "lc-area-" + layer.side,
        opacity: layer.opacity,
        alt: layer.name,
        className: layer.side === "under" ? "lc-area-under" : "lc-area-picture",
      });
      // The old picture stays until the new one is there.
      const drop = () => old && map.removeLayer(old.overlay);
      overlay.once("load", drop);
      overlay.once("error", drop);
      overlay.addTo(map);
      pictures.set(layer.id, { url: layer.url, overlay: overlay });
    });
  }

  function lines(map, wanted) {
    if (outlines) map.removeLayer(outlines);
    outlines = L.layerGroup([], { pane: "lc-area-lines" });
    wanted.forEach((one) =>
      STYLES[one.kind].forEach((style) =>
        outlines.addLayer(
          L.polygon(one.rings, {
            ...style,
            pane: "lc-area-lines",
            fill: false,
            interactive: false,
            className: "lc-area-" + one.kind,
          }),
        ),
      ),
    );
    outlines.addTo(map);
  }

  function divide(map, names) {
    if (!names) {
      if (divider) divider.remove();
      divider = null;
      ["left", "right"].forEach((side) => (map.getPane("lc-area-" + side).style.clip = ""));
      return;
    }
    if (!divider) divider = made(map);
    divider.name(names);
    divider.update();
  }

  function made(map) {
    const box = map.getContainer();
    const bar = L.DomUtil.create("div", "lc-divider", box);
    const sides = ["left", "right"].map((side) =>
      L.DomUtil.create("span", "lc-divider-" + side, bar),
    );
    L.DomUtil.create("i", "", bar).setAttribute("aria-hidden", "true");
    bar.tabIndex = 0;
    bar.setAttribute("role", "slider");
    bar.setAttribute("aria-orientation", "horizontal");
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    let names = ["", ""];

    function update() {
      const size = map.getSize();
      const from = map.containerPointToLayerPoint([0, 0]);
      const to = map.containerPointToLayerPoint(size);
      const middle = from.x + size.x * share;
      const clip = (left, right) =>
        "rect(" + [from.y, right, to.y, left].map((side) => side + "px").join(",") + ")";
      map.getPane("lc-area-left").style.clip = clip(from.x, middle);
      map.getPane("lc-area-right").style.clip = clip(middle, to.x);
      bar.style.left = size.x * share + "px";
      bar.setAttribute("aria-valuenow", Math.round(100 * share));
      bar.setAttribute(
        "aria-valuetext",
        names[0] + " on the left " + Math.round(100 * share) + " %, " + names[1] + " on the right",
      );
    }

    function move(to) {
      share = Math.min(1, Math.max(0, to));
      update();
    }

    function name(both) {
      names = both;
      sides.forEach((side, index) => (side.textContent = both[index]));
      bar.setAttribute("aria-label", "Divider between " + both[0] + " and " + both[1]);
    }

    bar.addEventListener("keydown", (event) => {
      const to = {
        ArrowLeft: share - STEP,
        ArrowDown: share - STEP,
        ArrowRight: share + STEP,
        ArrowUp: share + STEP,
        Home: 0,
        End: 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation(); // the map would move too
      move(to);
    });
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      event.preventDefault();
      event.stopPropagation();
      bar.focus();
    });
    bar.addEventListener("pointermove", (event) => {
      if (!bar.hasPointerCapture(event.pointerId)) return;
      const left = box.getBoundingClientRect().left;
      move((event.clientX - left) / map.getSize().x);
    });
    L.DomEvent.disableClickPropagation(bar);
    L.DomEvent.disableScrollPropagation(bar);
    map.on("move zoomend resize", update);
    return {
      name: name,
      update: update,
      remove: () => {
        map.off("move zoomend resize", update);
        bar.remove();
      },
    };
  }

  return { show: show };
})();
