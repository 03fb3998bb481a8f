// Buttons that copy a number. They stay hidden where copying is not possible.
export function startCopying (root) {
  if (!navigator.clipboard) return
  for (const button of root.querySelectorAll('[data-copy]:not([data-ready])')) {
    button.dataset.ready = ''
    button.hidden = false
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy)
      announce(button.dataset.copied)
    })
  }
}

function announce (text) {
  const place = document.getElementById('announcements')
  // The same words twice in a row would not be read out again.
  place.textContent = ''
  setTimeout(() => { place.textContent = text }, 50)
}
