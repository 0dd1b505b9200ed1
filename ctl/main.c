#include "ctl/run.h"

int main(int argument_count, char **arguments)
{
    return ctl_run(argument_count, arguments, QNFS_VERSION, stdout, stderr);
}
