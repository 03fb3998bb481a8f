// Parts that renew themselves: says so when the server stops answering, so that nobody trusts
// old figures, and takes a person whose session has ended to the log-in page.
export function watchLiveParts () {
  document.body.addEventListener('htmx:error', lost)
  document.body.addEventListener('htmx:response:error', (event) => {
    const status = event.detail?.ctx?.response?.status
    if (status === 401) window.location.reload()
    else lost()
  })
  document.body.addEventListener('htmx:after:swap', () => show(false))
}

function lost () {
  show(true)
}

function show (isLost) {
  for (const part of document.querySelectorAll('[data-live]')) {
    part.classList.toggle('td-live--lost', isLost)
    const words = isLost ? part.dataset.lost : part.dataset.live
    if (part.textContent !== words) part.textContent = words
  }
}
