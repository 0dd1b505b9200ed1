/*
 * umlfix.so: an LD_PRELOAD shim for Debian 12's user-mode-linux (6.1).
 *
 * UML 6.1 keeps a fixed buffer of 2696 bytes for a guest thread's FP state. On a host CPU with AMX the
 * kernel's user xstate is about 11 KiB, and PTRACE_SETREGSET(NT_X86_XSTATE) refuses any length but the
 * full one with EFAULT, so UML dies with "ptrace set fp regs failed, errno = 14". We pad UML's buffer
 * with zeroes to the full size: XSTATE_BV in the header says that the missing components are in their
 * initial state, so zeroes are right.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum { XSTATE_MAX_BYTES = 65536 };

static long (*real_ptrace)(int, pid_t, void *, void *);
static unsigned char padded[XSTATE_MAX_BYTES] __attribute__((aligned(64)));
static size_t full_bytes;

__attribute__((constructor)) static void shim_init(void)
{
    real_ptrace = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_SETREGSET && (unsigned long)address == NT_X86_XSTATE) {
        struct iovec *given = data;
        struct iovec whole = {.iov_base = padded, .iov_len = sizeof padded};
        void *kind = (void *)(unsigned long)NT_X86_XSTATE;
        if (full_bytes == 0) {
            if (real_ptrace(PTRACE_GETREGSET, pid, kind, &whole) == 0)
                full_bytes = whole.iov_len;
            memset(padded, 0, sizeof padded);
        }
        if (full_bytes > given->iov_len) {
            memcpy(padded, given->iov_base, given->iov_len);
            whole.iov_len = full_bytes;
            return real_ptrace(request, pid, kind, &whole);
        }
    }
    return real_ptrace(request, pid, address, data);
}
