/* What the map needs beyond Leaflet: layers, names, keyboard, and details without a network.
   pages/parts/shared/offline_map.py calls `landcover.prepare` once, and the pages call
   `landcover.theme` on each answer. */
"use strict";
window.landcover = (function () {
  const DETAILS_ZOOM = 7; // from here on, the tiles of the offline background are too coarse
  const SHARP_ZOOM = 9; // from here on, drawn land replaces them
  const PLACE_CELL = 5; // degrees along a side of a file of places; so in basemap.py
  const KEPT = "landcover-satellite"; // whether the user has switched the satellite layer off

  function prepare(map, options) {
    L.Icon.Default.imagePath = options.vendor + "/leaflet/images/";
    L.control.scale({ imperial: false }).addTo(map);
    const box = map.getContainer();
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Map: arrow keys move it, plus and minus change the zoom");
    try {
      window.frameElement.title = options.title;
    } catch (error) {
      // The page is on another origin, which then keeps the component's name as title.
    }
    map.on("zoomend", () => classes(map, options));
    classes(map, options);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches(".lc-pin")) event.target.click();
    });
    // Leaflet focuses the map when it is pressed, and puts only its own frame back where it was. The
    // page around it would scroll a map that is partly out of sight, away from under the pointer.
    box.focus = () => HTMLElement.prototype.focus.call(box, { preventScroll: true });
    // A finger cannot leave a pin as a mouse does, so the tooltip would stay over the map.
    let touched = false;
    box.addEventListener("pointerdown", (event) => {
      touched = event.pointerType === "touch";
    });
    box.addEventListener("click", () => {
      if (touched) setTimeout(() => closeTooltips(map), 0);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") closeTooltips(map);
    });
    layers(map, options);
  }

  function closeTooltips(map) {
    map.eachLayer((layer) => {
      if (layer.closeTooltip) layer.closeTooltip();
    });
  }

  function classes(map, options) {
    const list = map.getContainer().classList;
    list.toggle("lc-near", map.getZoom() >= options.nearZoom);
    list.toggle("lc-sharp", map.getZoom() >= SHARP_ZOOM);
  }

  function layers(map, options) {
    const overlays = {};
    if (options.background) {
      L.tileLayer(options.files + "/tiles/{z}/{x}/{y}.png", {
        attribution: options.credit,
        className: "lc-offline",
        maxNativeZoom: options.tilesZoom,
        maxZoom: SHARP_ZOOM,
      }).addTo(map);
    }
    const details = L.layerGroup([], { attribution: options.detailsCredit }).addTo(map);
    overlays[options.detailsName] = details;
    addDetails(map, details, options);
    const online = [];
    const marks = () => {
      const list = map.getContainer().classList;
      list.toggle("lc-online", online.some((layer) => map.hasLayer(layer)));
      list.toggle("lc-on-streets", online.some((l) => !l.options.satellite && map.hasLayer(l)));
    };
    map.on("layeradd layerremove", marks);
    options.online.forEach((row) => {
      const layer = L.tileLayer(row.url, {
        attribution: row.credit,
        className: row.satellite ? "lc-satellite" : "lc-streets",
        satellite: row.satellite,
        maxNativeZoom: row.finest,
        maxZoom: map.getMaxZoom(),
      });
      online.push(layer);
      overlays[row.name] = layer;
      if (row.satellite) satellite(map, layer, row.url);
    });
    const control = L.control.layers({}, overlays, { collapsed: true }).addTo(map);
    control.getContainer().querySelector(".leaflet-control-layers-toggle").title =
      "Layers of the map";
  }

  /* With a network the satellite layer is on unless the user switched it off. One tile is tried
     first: without a network, a request for each tile would fill the console with errors. */
  function satellite(map, layer, url) {
    const off = () => {
      try {
        return window.localStorage.getItem(KEPT) === "off";
      } catch (error) {
        return false;
      }
    };
    const keep = (value) => {
      try {
        window.localStorage.setItem(KEPT, value);
      } catch (error) {
        // Storage is blocked: the layer is on again on the next visit.
      }
    };
    const attempt = () => {
      if (!navigator.onLine || off() || map.hasLayer(layer)) return;
      const image = new Image();
      image.onload = () => {
        if (!off()) layer.addTo(map);
      };
      image.src = L.Util.template(url, { z: 0, x: 0, y: 0, s: "" });
    };
    let broken = 0;
    layer.on("tileload", () => (broken = 0));
    layer.on("tileerror", () => {
      broken += 1;
      if (broken > 8) map.removeLayer(layer); // the network has gone
    });
    map.on("overlayadd", (event) => event.layer === layer && keep("on"));
    map.on("overlayremove", (event) => {
      if (event.layer === layer && broken <= 8) keep("off");
    });
    window.addEventListener("online", attempt);
    attempt();
  }

  /* Land, rivers, borders and names of places from files of the app, drawn for the view. */
  function addDetails(map, group, options) {
    let lines = null;
    let wanted = false;
    const cells = new Map();
    const ground = pane(map, "lc-ground", 190); // below all tiles
    const drawn = pane(map, "lc-lines", 250); // above them
    pane(map, "lc-labels", 450);
    const below = L.canvas({ pane: ground, padding: 0.3 });
    const above = L.canvas({ pane: drawn, padding: 0.3 });
    const parts = L.layerGroup();
    const labels = L.layerGroup();
    group.addLayer(parts).addLayer(labels);

    async function update() {
      const near = map.getZoom() >= DETAILS_ZOOM && map.hasLayer(group);
      if (!near) {
        parts.clearLayers();
        labels.clearLayers();
        return;
      }
      if (!wanted) {
        wanted = true;
        lines = decoded(await json(options.files + "/map/lines.json"));
      }
      draw();
      await Promise.all(cellsIn(map.getBounds()).map(load));
      label();
    }

    async function load(name) {
      if (!cells.has(name)) cells.set(name, json(options.files + "/places/" + name + ".json"));
      cells.set(name, await cells.get(name));
    }

    function draw() {
      parts.clearLayers();
      if (!lines) return;
      const view = map.getBounds().pad(0.5);
      const style = getComputedStyle(map.getContainer());
      const colour = (name) => style.getPropertyValue(name).trim();
      const near = (kind) => lines[kind].filter((line) => view.intersects(line.bounds));
      const add = (shape) => parts.addLayer(shape);
      const quiet = { interactive: false, smoothFactor: 0.5 };
      if (map.getZoom() >= SHARP_ZOOM) {
        near("land").forEach((line) =>
          add(
            L.polygon(line.rings, {
              ...quiet,
              renderer: below,
              color: colour("--lc-land"),
              fillColor: colour("--lc-land"),
              fillOpacity: 1,
              weight: 1,
            }),
          ),
        );
      }
      near("rivers").forEach((line) =>
        add(L.polyline(line.rings, { ...quiet, renderer: above, color: colour("--lc-river"), weight: 1.5 })),
      );
      near("borders").forEach((line) =>
        add(
          L.polyline(line.rings, {
            ...quiet,
            renderer: above,
            color: colour("--lc-border"),
            weight: 1.5,
            dashArray: "6 4",
          }),
        ),
      );
    }

    function label() {
      labels.clearLayers();
      const view = map.getBounds();
      const taken = [];
      cellsIn(view)
        .flatMap((name) => cells.get(name) || [])
        .filter((place) => Array.isArray(place) && view.contains([place[1], place[2]]))
        .sort((a, b) => b[3] - a[3])
        .slice(0, 300)
        .forEach((place) => {
          const at = map.latLngToContainerPoint([place[1], place[2]]);
          const width = 7 * place[0].length + 16;
          const box = { left: at.x, right: at.x + width, top: at.y - 10, bottom: at.y + 10 };
          const hidden = taken.some(
            (other) =>
              box.left < other.right &&
              box.right > other.left &&
              box.top < other.bottom &&
              box.bottom > other.top,
          );
          if (hidden || taken.length >= 40) return;
          taken.push(box);
          const name = document.createElement("span");
          name.textContent = place[0];
          labels.addLayer(
            L.marker([place[1], place[2]], {
              pane: "lc-labels",
              interactive: false,
              keyboard: false,
              icon: L.divIcon({ className: "lc-label", html: name, iconSize: [0, 0] }),
            }),
          );
        });
    }

    map.on("moveend layeradd layerremove", (event) => {
      if (event.type === "moveend" || event.layer === group) update();
    });
    map.on("landcover:theme", draw);
    update();
  }

  function pane(map, name, index) {
    const made = map.createPane(name);
    made.style.zIndex = index;
    made.style.pointerEvents = "none";
    return name;
  }

  async function json(address) {
    try {
      const answer = await fetch(address);
      return answer.ok ? await answer.json() : null;
    } catch (error) {
      return null; // a cell of sea has no file, and the map works without details
    }
  }

  function cellsIn(bounds) {
    const names = [];
    const floor = (value) => Math.floor(value / PLACE_CELL) * PLACE_CELL;
    for (let south = floor(bounds.getSouth()); south < bounds.getNorth(); south += PLACE_CELL)
      for (let west = floor(bounds.getWest()); west < bounds.getEast(); west += PLACE_CELL)
        names.push(south + "_" + west);
    return names.slice(0, 16);
  }

  /* Lines in Google's polyline format with three decimals; a polygon's rings are joined by a
     space. */
  function decoded(kinds) {
    const out = { land: [], rivers: [], borders: [] };
    Object.keys(out).forEach((kind) => {
      out[kind] = ((kinds && kinds[kind]) || []).map((text) => {
        const rings = text.split(" ").map(ring);
        return { rings: rings, bounds: L.latLngBounds(rings[0]) };
      });
    });
    return out;
  }

  function ring(text) {
    const points = [];
    let at = 0;
    const next = () => {
      let value = 0;
      let shift = 0;
      let byte;
      do {
        byte = text.charCodeAt(at++) - 63;
        value |= (byte & 31) << shift;
        shift += 5;
      } while (byte >= 32);
      return value & 1 ? ~(value >> 1) : value >> 1;
    };
    let latitude = 0;
    let longitude = 0;
    while (at < text.length) {
      latitude += next();
      longitude += next();
      points.push([latitude / 1000, longitude / 1000]);
    }
    return points;
  }

  function theme(map, dark) {
    map.getContainer().classList.toggle("lc-dark", dark);
    document.body.style.colorScheme = dark ? "dark" : "light";
    map.fire("landcover:theme");
  }

  return { prepare: prepare, theme: theme };
})();
