using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ShadowAttn.Attention;

namespace ShadowAttn.Native;

internal static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "sa_profile_load", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus ProfileLoad(byte* path, nint* profile)
    {
        try
        {
            Clear(profile, nameof(profile));
            *profile = HandleTable.Add(ProfileObject.Load(Utf8.Read(path, nameof(path))));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_profile_load");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_profile_parse", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus ProfileParse(void* json, nuint bytes, nint* profile)
    {
        try
        {
            Clear(profile, nameof(profile));
            if (json == null)
            {
                throw SaException.Null(nameof(json));
            }

            if (bytes > int.MaxValue)
            {
                throw SaException.Argument($"bytes is {bytes}; it must be at most {int.MaxValue}");
            }

            *profile = HandleTable.Add(ProfileObject.Parse(new ReadOnlySpan<byte>(json, (int)bytes), nameof(json)));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_profile_parse");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_profile_free", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus ProfileFree(nint profile)
    {
        try
        {
            HandleTable.Free<ProfileObject>(profile, nameof(profile));
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_profile_free");
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "sa_profile_get_info", CallConvs = [typeof(CallConvCdecl)])]
    static SaStatus ProfileGetInfo(nint profile, SaProfileInfo* info)
    {
        try
        {
            using Hold<ProfileObject> hold = HandleTable.Acquire<ProfileObject>(profile, nameof(profile));
            uint size = SizedStruct.CheckSize(info, sizeof(SaProfileInfo), nameof(info));
            CalibrationProfile found = hold.Target.Profile;
            SizedStruct.Write(info, size, new SaProfileInfo
            {
                Heads = (uint)found.Heads,
                KvHeads = (uint)found.KvHeads,
                HeadDim = (uint)found.HeadDim,
                MinKeys = (uint)found.MinKeys,
                Layers = (uint)found.Layers.Count,
                FirstLayer = (uint)found.Layers[0].Layer,
                LastLayer = (uint)found.Layers[^1].Layer,
            });
            return SaStatus.Ok;
        }
        catch (Exception e)
        {
            return LastError.Set(e, "sa_profile_get_info");
        }
    }
}
