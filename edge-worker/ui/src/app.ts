// The dashboard works without this script: every page is whole and every action a form. What is added here: pages
// that follow what happens (live), actions without a reload (forms), output that streams, times that stay true.

import "./copy";
import "./forms";
import "./keys";
import "./live";
import "./output";
import "./palette";
import "./passkey";
import "./times";
