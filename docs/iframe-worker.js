// Browsers start no Worker for a page that was opened from a folder (file://), and the search of the
// site runs in one. This class runs the same script in a hidden frame. A page from a server keeps
// the browser's Worker.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      // Without open(), Firefox would replace the document of the frame after this script was added.
      this.inside.document.open()
      this.inside.document.close()
      this.inside.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }))
      const script = this.inside.document.createElement("script")
      this.ready = new Promise((resolve) => script.addEventListener("load", resolve))
      script.src = url
      this.inside.document.documentElement.append(script)
    }

    async postMessage(data) {
      await this.ready
      this.inside.dispatchEvent(new MessageEvent("message", { data }))
    }
  }
}
