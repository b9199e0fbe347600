using ShadowAttn.Cli.Conformance.Raw;
using ShadowAttn.Interop;
using ShadowAttn.Interop.Qnn;

namespace ShadowAttn.Cli.Conformance.Areas;

/// <summary>Options that are set after creation, and what is registered or asked for beside graphs.</summary>
internal static unsafe class ConfigChecks
{
    private const int NoSuchOption = 999;

    public static void Run(CheckRun run)
    {
        run.Check("backend and device: no options", NoOptions);
        run.Check("context: priority", ContextPriority);
        run.Check("graph: priority", GraphPriority);
        run.Check("profile: most events, as announced", MostEvents);
        run.Check("power infrastructure", Infrastructure);
        run.Check("op package that is not there", OpPackage);
    }

    private static Verdict NoOptions(RawClient client)
    {
        QnnBackend_Config_t* none = null;
        RawClient.RequireOffered(client.Table.backendSetConfig, "backendSetConfig");
        Expect.OkOrNotOffered("backendSetConfig", client.Table.backendSetConfig(client.Backend, &none));
        if (client.Device != null && client.Table.deviceSetConfig != null)
        {
            QnnDevice_Config_t* nothing = null;
            Expect.OkOrNotOffered("deviceSetConfig", client.Table.deviceSetConfig(client.Device, &nothing));
        }

        return Verdict.Pass();
    }

    private static Verdict ContextPriority(RawClient client)
    {
        RawClient.RequireOffered(client.Table.contextSetConfig, "contextSetConfig");
        var config = new QnnContext_Config_t { option = QnnContext_ConfigOption_t.QNN_CONTEXT_CONFIG_OPTION_PRIORITY };
        config.Anonymous.priority = Qnn_Priority_t.QNN_PRIORITY_HIGH;
        QnnContext_Config_t** list = stackalloc QnnContext_Config_t*[] { &config, null };
        Expect.OkOrNotOffered("contextSetConfig", client.Table.contextSetConfig(client.Context, list));
        config.option = (QnnContext_ConfigOption_t)NoSuchOption;
        Expect.Refusal($"contextSetConfig of option {NoSuchOption}", client.Table.contextSetConfig(client.Context, list));
        return Verdict.Pass();
    }

    private static Verdict GraphPriority(RawClient client)
    {
        RawClient.RequireOffered(client.Table.graphSetConfig, "graphSetConfig");
        RawGraph graph = client.Graph(client.Context);
        var config = new QnnGraph_Config_t { option = QnnGraph_ConfigOption_t.QNN_GRAPH_CONFIG_OPTION_PRIORITY };
        config.Anonymous.priority = Qnn_Priority_t.QNN_PRIORITY_HIGH;
        QnnGraph_Config_t** list = stackalloc QnnGraph_Config_t*[] { &config, null };
        Expect.OkOrNotOffered("graphSetConfig", client.Table.graphSetConfig(graph.Handle, list));
        config.option = (QnnGraph_ConfigOption_t)NoSuchOption;
        Expect.Refusal($"graphSetConfig of option {NoSuchOption}", client.Table.graphSetConfig(graph.Handle, list));
        return Verdict.Pass();
    }

    private static Verdict MostEvents(RawClient client)
    {
        RawClient.RequireOffered(client.Table.profileSetConfig, "profileSetConfig");
        void* profile = client.CreateProfile(QnnApi.QNN_PROFILE_LEVEL_DETAILED);
        var config = new QnnProfile_Config_t { option = QnnProfile_ConfigOption_t.QNN_PROFILE_CONFIG_OPTION_MAX_EVENTS };
        config.Anonymous.numMaxEvents = 100;
        QnnProfile_Config_t** list = stackalloc QnnProfile_Config_t*[] { &config, null };
        bool isAnnounced = CapabilityChecks.Has(client, QnnApi.QNN_PROPERTY_PROFILE_SUPPORT_MAX_EVENTS_CONFIG);
        Expect.Status("profileSetConfig", isAnnounced ? Expect.Success : Expect.NotSupported, client.Table.profileSetConfig(profile, list));
        return Verdict.Pass(isAnnounced ? "announced and there" : "not announced and not there");
    }

    private static Verdict Infrastructure(RawClient client)
    {
        RawClient.RequireOffered(client.Table.deviceGetInfrastructure, "deviceGetInfrastructure");
        QnnHtpDevice_Infrastructure_t* infrastructure = null;
        Expect.OkOrNotOffered("deviceGetInfrastructure", client.Table.deviceGetInfrastructure(&infrastructure));
        Expect.That(infrastructure != null, "deviceGetInfrastructure: expected one, actual success with null");
        Expect.Status("deviceGetInfrastructure into null", 1004, client.Table.deviceGetInfrastructure(null));
        if (infrastructure->infraType != QnnHtpDevice_InfrastructureType_t.QNN_HTP_DEVICE_INFRASTRUCTURE_TYPE_PERF)
        {
            return Verdict.NotSupported($"it has another kind: {infrastructure->infraType}");
        }

        ref QnnHtpDevice_PerfInfrastructure_t power = ref infrastructure->Anonymous.perfInfra;
        Expect.That(power.createPowerConfigId != null && power.setPowerConfig != null && power.destroyPowerConfigId != null,
            "power infrastructure: expected its functions, actual null");
        uint id = 0;
        Expect.Ok("createPowerConfigId", power.createPowerConfigId(0, 0, &id));
        Expect.Ok("destroyPowerConfigId", power.destroyPowerConfigId(id));
        return Verdict.Pass();
    }

    private static Verdict OpPackage(RawClient client)
    {
        RawClient.RequireOffered(client.Table.backendRegisterOpPackage, "backendRegisterOpPackage");
        ulong status = client.Table.backendRegisterOpPackage(
            client.Backend, client.Memory.Text("/nowhere/libNoOpPackage.so"), client.Memory.Text("provider"), null);
        Expect.Refusal("backendRegisterOpPackage", status);
        return Verdict.Pass(QnnStatus.FromCode(status).ToString());
    }
}
