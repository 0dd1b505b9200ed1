#include "server/daemon/folder_size.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What st_blocks counts (POSIX leaves it open, Linux does not). */
#define STAT_BLOCK_BYTES 512u

uint64_t folder_size_bytes(const char *parent, const char *name)
{
    int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0)
        return 0;
    int descriptor = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(above);
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (folder == NULL) {
        if (descriptor >= 0)
            close(descriptor);
        return 0;
    }
    uint64_t sum = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat facts;
        if (fstatat(descriptor, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode))
            sum += (uint64_t)facts.st_blocks * STAT_BLOCK_BYTES;
    }
    closedir(folder);
    return sum;
}
