
(function () {
  "use strict";
  var form = document.querySelector(".filter");
  var text = document.getElementById("filter-text");
  var outcome = document.getElementById("filter-outcome");
  if (!form || !text || !outcome) { return; }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  function apply() {
    var wanted = text.value.toLowerCase();
    document.querySelectorAll(".population").forEach(function (article) {
      var any = false;
      article.querySelectorAll("tbody tr").forEach(function (row) {
        var fits = (!outcome.value || row.dataset.outcome === outcome.value) &&
          row.textContent.toLowerCase().indexOf(wanted) !== -1;
        row.hidden = !fits;
        any = any || fits;
      });
      article.hidden = !any && Boolean(wanted || outcome.value);
    });
  }
  text.addEventListener("input", apply);
  outcome.addEventListener("change", apply);
}());
