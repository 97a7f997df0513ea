// What a bundler makes: the name changes with the content, so that browsers may keep it for ever.
document.getElementById("view").textContent = `You are at ${location.pathname}.`;
