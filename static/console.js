// A slider beside a number: moving one changes the other. Without script the number is enough.
for (const slider of document.querySelectorAll("input[type=range][data-follows]")) {
  const number = document.getElementById(slider.dataset.follows);
  const follow = () => {
    slider.value = (number.value || number.placeholder || "0").replace(",", ".");
  };
  follow();
  slider.hidden = false;
  number.addEventListener("input", follow);
  slider.addEventListener("input", () => {
    number.value = slider.value;
  });
}
