/* A plugin for qemu-user (TCG plugin API version 1, qemu 7.2 or later) that counts the instructions which the emulated program executes.

   The program marks places by write(-1, id, MARK), which fails with EBADF and does nothing else; each mark adds a line "id count" to
   qemu's log: the instructions executed so far, exact for a program with one thread that does anything.

     cc -O2 -shared -fPIC -o count.so count.c
     qemu-aarch64 -plugin ./count.so -d plugin -D count.txt PROGRAM

   What is used of the API is declared here, since Debian packages no header for it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_info;
enum { QEMU_PLUGIN_INLINE_ADD_U64 = 0 };
typedef void (*tb_callback)(plugin_id, struct qemu_plugin_tb *);
typedef void (*syscall_callback)(plugin_id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                                 uint64_t a6, uint64_t a7, uint64_t a8);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, tb_callback);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_callback);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_outs(const char *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* write on arm64, and the length that makes it a mark. */
enum { WRITE = 64, MARK = 0x5ad0 };

static uint64_t count;

static void on_translate(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &count, qemu_plugin_tb_n_insns(block));
}

static void on_syscall(plugin_id id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == WRITE && (int32_t)a1 == -1 && a3 == MARK) {
        char line[64];
        snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", a2, count);
        qemu_plugin_outs(line);
    }
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const struct qemu_plugin_info *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
