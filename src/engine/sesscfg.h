/* sesscfg: the options of a matching rule turned into the configuration of a session. */
#ifndef KCPSHIM_SESSCFG_H
#define KCPSHIM_SESSCFG_H

#include "../core/rules.h"
#include "../core/session.h"
#include "loop.h"

/* Fills *cfg from defaults, the chosen mode and single settings, in this order. */
void sesscfg_from_options(struct session_config *cfg, const struct rules_options *);
/* The same with the keys those options lead to. 0, or the errno the program sees (EACCES: keys cannot be used; the log says why). */
int sesscfg_make(struct loop *, const struct rules_options *, struct session_config *cfg);

#endif
