/* run.h: one run of qnfsctl. */
#ifndef CTL_RUN_H
#define CTL_RUN_H

#include <stdio.h>

/* The words of the command line with the program's name first; answers go to `out`, one line about what is wrong to
 * `error`. Returns the process's status: 0 done; 1 it failed, or a check found something; 2 the words are wrong. */
int ctl_run(int count, char *const *words, const char *version, FILE *out, FILE *error);

#endif
